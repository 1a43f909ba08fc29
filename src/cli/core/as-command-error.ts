import { ArtifactDamaged } from '../../store/errors.ts';
import { InvalidInput } from '../../platform/invalid-input.ts';
import { CommandError } from './command-error.ts';

/** Runs a command's work, and turns errors whose message is enough for the user into a CommandError. */
export async function asCommandError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isForUser = error instanceof ArtifactDamaged || error instanceof InvalidInput;
    throw isForUser ? new CommandError('failed', error.message, { cause: error }) : error;
  }
}
