import { InputProblem } from '../artifacts/errors.ts';
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
