import type { Decontamination } from '../datasets/benchmark-overlaps.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { Configuration } from './run-configuration.ts';

type Sections = Pick<Configuration, 'instructions' | 'pairs'>;

/** The settings of a run that generates its own pairs. */
export interface Generation {
  readonly instructions: NonNullable<Configuration['instructions']>;
  readonly pairs: Extract<Configuration['pairs'], { kind: 'generated' }>;
}

/** Returns how a run's pairs are generated; undefined if files provide them. */
export function findGeneration({ instructions, pairs }: Sections): Generation | undefined {
  return pairs.kind === 'generated' && instructions !== undefined ? { instructions, pairs } : undefined;
}

/**
 * Returns how a run's pairs are generated, for stages that only such a run has.
 * @throws InvalidInput if files provide the pairs
 */
export function requireGeneration(configuration: Sections): Generation {
  const generation = findGeneration(configuration);
  if (generation === undefined)
    throw new InvalidInput('the pairs of this run are provided by files, not generated');
  return generation;
}

/** Returns the files that contain a run's instructions or pairs. */
export function sourceFiles({ instructions, pairs }: Sections): readonly string[] {
  return pairs.kind === 'provided' ? pairs.files : (instructions?.pool ?? []);
}

/** When an instruction counts as a benchmark's, for all that the run trains on; null: no comparison. */
export function decontaminationOf(configuration: Sections): Decontamination {
  const { pairs } = configuration;
  return pairs.kind === 'provided'
    ? pairs.decontamination
    : requireGeneration(configuration).instructions.filters.decontamination;
}
