import type { Problem } from '../platform/problem.ts';
import type { PartialConfiguration } from './run-configuration.ts';

/**
 * Reports sections that are missing, or contradict the source of the pairs.
 * @param hasInstructions whether the configuration has the section `instructions`, even an invalid one
 */
export function pairSourceProblems(usable: PartialConfiguration, hasInstructions: boolean): Problem[] {
  const { pairs, instructions, filtering, models } = usable;
  if (pairs?.kind === 'provided') {
    const conflict = 'set, but pairs.kind is "provided"';
    return [
      ...(instructions === undefined
        ? []
        : [
            {
              path: 'instructions',
              message: `${conflict}: no pairs are generated from instructions, so remove it`,
            },
          ]),
      ...((filtering?.humanData.length ?? 0) === 0
        ? []
        : [{ path: 'filtering.humanData', message: `${conflict}: name these files in pairs.files too` }]),
      ...(models?.generator === undefined
        ? []
        : [{ path: 'models.generator', message: `${conflict}: nothing is generated, so remove it` }]),
    ];
  }
  if (pairs === undefined || hasInstructions) return [];
  const message =
    'missing: the pool for generating pairs; a run on your own pairs has "pairs": {"kind": "provided", "files": [...]} instead';
  return [{ path: 'instructions', message }];
}
