import { ArtifactDamaged, InputProblem } from '../../src/artifacts/errors.ts';
import { StorageUnavailable } from '../../src/artifacts/on-disk.ts';
import { CommandError } from '../cli/command-error.ts';

/** Runs a command's work; an error whose message says it all ends it with that alone. */
export async function sayingItAll<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const saysItAll =
      error instanceof ArtifactDamaged ||
      error instanceof InputProblem ||
      error instanceof StorageUnavailable;
    throw saysItAll ? new CommandError('failed', error.message, { cause: error }) : error;
  }
}
