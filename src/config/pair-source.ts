import { InputProblem } from '../artifacts/errors.ts';
import type { Problem } from './read-configuration.ts';
import type { Configuration } from './schema.ts';

type Sections = Pick<Configuration, 'instructions' | 'pairs'>;

/** What a run makes its pairs from, and how. */
export interface Generation {
  readonly instructions: NonNullable<Configuration['instructions']>;
  readonly pairs: Extract<Configuration['pairs'], { kind: 'generated' }>;
}

/** How a run's pairs are made; undefined where they are given. */
export function generationIn({ instructions, pairs }: Sections): Generation | undefined {
  return pairs.kind === 'generated' && instructions !== undefined ? { instructions, pairs } : undefined;
}

/**
 * The same for work that only such a run has.
 * @throws InputProblem where the pairs are given
 */
export function generationOf(configuration: Sections): Generation {
  const generation = generationIn(configuration);
  if (generation === undefined) throw new InputProblem('the pairs of this run are given, not made');
  return generation;
}

/** What says where a run's instructions and pairs come from: files of a pool, or of pairs. */
export function filesIn({ instructions, pairs }: Sections): readonly string[] {
  return pairs.kind === 'given' ? pairs.files : (instructions?.pool ?? []);
}

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
