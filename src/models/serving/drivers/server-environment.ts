import { processEnvironment } from '../../../platform/process-environment.ts';
import type { ServerSpec } from './server-spec.ts';

/**
 * The part of the worker's environment that a model server may see, with the server's own key. The process that forwards requests to a
 * job of Slurm passes it on to the job. Other variables that a server needs come from `serving.environment` or the worker's option
 * `--pass-environment`.
 */
export function serverEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  { apiKeyEnv, isRelay = false, usesHub = false }: Pick<ServerSpec, 'apiKeyEnv' | 'isRelay' | 'usesHub'>,
): Record<string, string | undefined> {
  return {
    ...processEnvironment(
      environment,
      ...(['compute', 'server'] as const),
      ...(usesHub ? (['hub'] as const) : []),
      ...(isRelay ? (['slurm'] as const) : []),
    ),
    ...(apiKeyEnv === undefined ? {} : { [apiKeyEnv]: environment[apiKeyEnv] }),
  };
}
