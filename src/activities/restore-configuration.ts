import { InputProblem } from '../artifacts/errors.ts';
import { readConfiguration } from '../config/read-configuration.ts';
import type { Dependencies } from './dependencies.ts';
import { publishResolved } from './plan-run.ts';
import type { RunReference } from './types.ts';

export interface RestoreInput {
  /** As the user wrote it. */
  readonly configuration: unknown;
  readonly run: RunReference;
}

/**
 * Makes the resolved configuration again where it was found damaged; leaves it alone where it is whole, so that a prompt
 * file that has changed since changes nothing.
 * @throws InputProblem where the files that it was made from aren't the same any more
 */
export async function restoreConfiguration(deps: Dependencies, input: RestoreInput): Promise<void> {
  const { run } = input;
  if (await deps.store.isWhole(run.configuration)) return;
  const { configuration } = readConfiguration(input.configuration);
  if (configuration === undefined)
    throw new InputProblem(`${run.runName}: the configuration is not valid any more`);
  const restored = await publishResolved(deps, configuration);
  if (restored.sha256 === run.configuration.sha256) return;
  throw new InputProblem(
    `${deps.store.path(run.configuration.uri)} was damaged, and can't be made again because a prompt file has changed since: ` +
      'undo that, or start the run again with what the files say now',
  );
}
