/** Serves a judge's model for the duration of a command, in the same way as the models of runs are served. */
import { join } from 'node:path';
import { machineName } from '../../platform/machine-name.ts';
import {
  identifyProcess,
  isSameProcessAlive,
  type ProcessIdentity,
} from '../../platform/process-identity.ts';
import type { ProbedRequest } from '../../models/inference/check-endpoints.ts';
import type { CompletionRequest } from '../../models/inference/completion.ts';
import { endpointsOf } from '../../models/inference/endpoint.ts';
import { machineGpus } from '../../models/gpus/machine-gpus.ts';
import { servingDriverOf } from '../../models/serving/drivers/registry.ts';
import { MACHINES } from '../../models/serving/served-models.ts';
import { createServerSupervisor } from '../../models/serving/supervisor.ts';
import { canonicalJson } from '../../platform/canonical-json.ts';
import { stableHash } from '../../platform/stable-hash.ts';
import { ensurePython } from '../setup/python-environment.ts';
import type { ResolvedJudge } from './resolve-judge.ts';
import { printError } from '../core/output.ts';

export interface ServedJudge {
  readonly endpoints: CompletionRequest['endpoints'];
  /** Stops the server if this command started it and no other command uses it. */
  stop(): Promise<void>;
}

export interface ServingFolders {
  readonly storeRoot: string;
  readonly packageRoot: string;
  readonly cacheFolder: string;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Starts a server for the model unless one is running, once the GPUs of this machine belong to no run. A server of a command that was killed is used if it serves the same
 * model, and stopped otherwise; servers of workers are not touched.
 * @param requests are tried at an endpoint before the work
 * @param signal also ends waiting for the GPUs, and for a server that loads its model
 * @throws ServerFailed, and for an endpoint what the inference client throws (src/models/inference/errors.ts)
 */
export async function serveJudge(
  { served, name }: ResolvedJudge,
  folders: ServingFolders,
  requests: readonly ProbedRequest[],
  signal: AbortSignal,
): Promise<ServedJudge> {
  const driver = servingDriverOf(served.serving);
  signal.throwIfAborted();
  const gpus = driver.needsMachine ? machineGpus(folders.environment) : undefined;
  const needsPython = driver.needsMachine && driver.usesPython(served.serving);
  const supervisor = createServerSupervisor({
    ...folders,
    // Not the folder of workers, because they stop servers whose owners are not workflows.
    stateFolder: join(folders.storeRoot, MACHINES, await machineName(), 'judge-servers'),
    log: (_level, message) => printError(message),
    python: needsPython ? await ensurePython() : 'python3',
    onRunning: async (owners, process) => gpus?.keepFor(owners, process),
    onOwnerDead: async (owner) => gpus?.release(owner),
    isOwnerAlive: (owner) => isSameProcessAlive(JSON.parse(owner) as ProcessIdentity),
  });
  signal.throwIfAborted();
  const owner = JSON.stringify(await identifyProcess(process.pid));
  const stop = async () => {
    await supervisor.stopServing(owner);
    await supervisor.close();
    await gpus?.release(owner);
  };
  const abort = () => void supervisor.stopServing(owner);
  signal.addEventListener('abort', abort, { once: true });
  try {
    // Servers of killed commands would occupy the memory that this one needs.
    await supervisor.recover({ ...served, owner });
    let environment = {};
    if (driver.needsMachine && gpus !== undefined) {
      const use = {
        // Commands that share a server share its GPUs.
        runName: `judge ${stableHash(canonicalJson(served))}`,
        command: 'the command judge',
        ...{ owner, purpose: `serves ${name}`, gpus: driver.gpus(served.serving) },
      };
      ({ environment } = await gpus.acquireForCommand(use, (line) => printError(line), signal));
    }
    const endpoint = await supervisor.ensureServing({ ...served, owner, environment, requests });
    await supervisor.recover();
    return { endpoints: endpointsOf(endpoint, endpoint.model), stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
