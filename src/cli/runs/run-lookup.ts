/** Finds runs in the store, and in Temporal if it answers. */
import { suggestNames } from '../../platform/name-suggestions.ts';
import { isRunName } from '../../runs/stored-run.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { CommandError } from '../core/command-error.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { connectToTemporal, type TemporalConnection } from '../temporal/connect.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { TemporalUnreachable } from '../../temporal/temporal-unreachable.ts';
import { printError } from '../core/output.ts';

/**
 * Warns on standard error if the store does not exist.
 * @throws CommandError if it is a bucket, which no worker will create
 */
export async function warnIfStoreMissing({ objects, address }: ArtifactStore): Promise<void> {
  if (await objects.exists()) return;
  const message = `There is no store at ${address}: set --store or SELF_TAUGHT_EVALUATOR_STORE.`;
  if (objects.isRemote) throw new CommandError('not-found', message);
  printError(message);
}

/** Connects to Temporal; if no server answers, prints that and its consequence to standard error. */
export async function connectIfReachable(consequence: string): Promise<TemporalConnection | undefined> {
  try {
    return await connectToTemporal(process.env);
  } catch (error) {
    if (!(error instanceof TemporalUnreachable)) throw error;
    printError(`${error.message}\n${consequence}`);
    return undefined;
  }
}

/**
 * Checks a run's name that the user typed.
 * @throws CommandError if it is not a valid name, for example a path
 */
export function requireRunName(name: string): string {
  if (isRunName(name)) return name;
  throw new CommandError(
    'usage',
    `${JSON.stringify(oneLine(name))} is not the name of a run: a name has 1 to 63 letters, digits, ".", "_" or "-", and starts with a ` +
      `letter or digit. "${PROGRAM_CALL} runs" lists the runs.`,
  );
}

export function runNotFoundError(name: string, place: string, names: readonly string[]): CommandError {
  const near = suggestNames(name, [...new Set(names)]);
  const hint =
    near.length > 0
      ? `Did you mean ${near.map((each) => JSON.stringify(each)).join(' or ')}?`
      : `"${PROGRAM_CALL} runs" lists the runs.`;
  return new CommandError('not-found', `There is no run ${JSON.stringify(name)} ${place}. ${hint}`);
}
