import type { Problem } from './read-configuration.ts';
import type { Configuration } from './schema.ts';

/**
 * Sections that contradict each other, or lack, by where the pairs come from.
 * @param hasInstructions whether the configuration has such a section, be it an unusable one
 */
export function pairSourceProblems(usable: Partial<Configuration>, hasInstructions: boolean): Problem[] {
  const { pairs, instructions, filtering, models } = usable;
  if (pairs?.kind === 'given') {
    const given = 'set, but pairs.kind is "given"';
    return [
      ...(instructions === undefined
        ? []
        : [{ path: 'instructions', message: `${given}: no pairs are made from instructions, leave it out` }]),
      ...((filtering?.humanData.length ?? 0) === 0
        ? []
        : [{ path: 'filtering.humanData', message: `${given}: name these files in pairs.files too` }]),
      ...(models?.generator === undefined
        ? []
        : [{ path: 'models.generator', message: `${given}: nothing is generated, leave it out` }]),
    ];
  }
  if (pairs === undefined || hasInstructions) return [];
  const message =
    'missing: the pool that pairs are made from; a run on pairs of your own has "pairs": {"kind": "given", "files": [...]} instead';
  return [{ path: 'instructions', message }];
}
