/** A judge's model served for as long as a command needs it, by what serves the models of runs. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { identifyProcess, isSameProcessAlive, type ProcessIdentity } from '../../src/processes/identity.ts';
import { createServerSupervisor } from '../../src/serving/supervisor.ts';
import { ensurePython } from '../setup/python-environment.ts';
import type { FoundJudge } from './find-judge.ts';

export interface ServedJudge {
  readonly baseUrl: string;
  readonly servedName: string;
  /** Stops the server where this command started it and nobody else needs it. */
  stop(): Promise<void>;
}

export interface ServingPlaces {
  readonly storeRoot: string;
  readonly packageRoot: string;
  readonly cacheFolder: string;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Brings the model up, or finds it up. Servers of commands that were killed are used where they serve the same, and
 * stopped otherwise; those of workers are left alone.
 * @param signal ends also the wait for a server that loads its model
 * @throws ServerFailed, and for an endpoint what the inference client throws (src/inference/errors.ts)
 */
export async function serveJudge(
  { served }: FoundJudge,
  places: ServingPlaces,
  signal: AbortSignal,
): Promise<ServedJudge> {
  const { driver } = served;
  signal.throwIfAborted();
  const needsPython = driver.kind === 'command' && driver.command.some((word) => word.includes('{python}'));
  const supervisor = createServerSupervisor({
    ...places,
    // Not where workers look: they stop the servers of owners that are no workflows.
    stateFolder: join(places.storeRoot, '.machines', hostname(), 'judge-servers'),
    log: (_level, message) => console.error(message),
    python: needsPython ? await ensurePython() : 'python3',
    isOwnerAlive: (owner) => isSameProcessAlive(JSON.parse(owner) as ProcessIdentity),
  });
  signal.throwIfAborted();
  const owner = JSON.stringify(await identifyProcess(process.pid));
  const stop = async () => {
    await supervisor.stopServing(owner);
    await supervisor.close();
  };
  const abort = () => void supervisor.stopServing(owner);
  signal.addEventListener('abort', abort, { once: true });
  try {
    // What killed commands have left would hold the memory that this one needs.
    await supervisor.adopt({ ...served, owner });
    const { baseUrl, model } = await supervisor.ensureServing({ ...served, owner });
    await supervisor.adopt();
    // Of several addresses that serve the same the first one will do.
    const [first = ''] = [baseUrl].flat();
    return { baseUrl: first, servedName: model, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
