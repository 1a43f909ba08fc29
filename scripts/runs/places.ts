/** Where commands look for runs: the store, and Temporal where it answers. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { nearNames } from '../../src/runs/near-names.ts';
import { isRunName } from '../../src/runs/stored-run.ts';
import { ArtifactStore } from '../../src/artifacts/store.ts';
import { CommandError } from '../cli/command-error.ts';
import { connectToTemporal, type Temporal } from '../follow/connect.ts';
import { plainText } from '../follow/plain-text.ts';
import { TemporalUnreachable } from '../../src/setting-error.ts';

/** The store that the option names. Its folder may not be there. */
export function storeAt(option: string): ArtifactStore {
  return new ArtifactStore(resolve(option));
}

/** Says on standard error that the store's folder is not there. */
export function warnWithoutStore(store: ArtifactStore): void {
  if (!existsSync(store.root))
    console.error(
      `There is no store at ${store.root}: name yours by --store or SELF_TAUGHT_EVALUATOR_STORE.`,
    );
}

/** The server that answers; where none does, standard error says so, and what follows from it. */
export async function temporalIfThere(consequence: string): Promise<Temporal | undefined> {
  try {
    return await connectToTemporal(process.env);
  } catch (error) {
    if (!(error instanceof TemporalUnreachable)) throw error;
    console.error(`${error.message}\n${consequence}`);
    return undefined;
  }
}

/**
 * A run's name as it was typed.
 * @throws CommandError where it can't be one, as a path
 */
export function checkedRunName(name: string): string {
  if (isRunName(name)) return name;
  throw new CommandError(
    'usage',
    `${JSON.stringify(plainText(name))} is no run's name: that has 1 to 63 letters, digits, ".", "_" or "-", starts with a letter or ` +
      'digit, and is never a path. "self-taught-evaluator runs" lists them.',
  );
}

export function noSuchRun(name: string, where: string, names: readonly string[]): CommandError {
  const near = nearNames(name, [...new Set(names)]);
  const hint =
    near.length > 0
      ? `Did you mean ${near.map((each) => JSON.stringify(each)).join(' or ')}?`
      : '"self-taught-evaluator runs" lists those that are there.';
  return new CommandError('not-found', `There is no run ${JSON.stringify(name)} ${where}. ${hint}`);
}
