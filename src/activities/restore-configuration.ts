import { InvalidInput } from '../platform/invalid-input.ts';
import { parseConfiguration } from '../config/parse-configuration.ts';
import type { Dependencies } from './dependencies.ts';
import { publishResolvedConfiguration } from './plan-run.ts';
import type { RunReference } from '../api/activity-types.ts';

export interface RestoreConfigurationInput {
  /** The configuration as the user wrote it. */
  readonly configuration: unknown;
  readonly run: RunReference;
}

/**
 * Restores a resolved configuration that is damaged or was removed. An intact one is not touched, so that changed prompt files have no
 * effect.
 * @throws InvalidInput if the files that it was made from have changed
 */
export async function restoreConfiguration(
  deps: Dependencies,
  input: RestoreConfigurationInput,
): Promise<void> {
  const { run } = input;
  if (await deps.store.isIntact(run.configuration)) return;
  const { configuration } = parseConfiguration(input.configuration);
  if (configuration === undefined)
    throw new InvalidInput(`${run.runName}: the configuration is no longer valid`);
  const restored = await publishResolvedConfiguration(deps, configuration);
  if (restored.sha256 === run.configuration.sha256) return;
  throw new InvalidInput(
    `${deps.store.locate(run.configuration.uri)} was damaged, and can't be made again because a prompt file has changed since: ` +
      'undo that, or start the run again with what the files say now',
  );
}
