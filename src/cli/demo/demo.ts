import { join, resolve } from 'node:path';
import { startRun, type ConfigurationInput } from '../../client/index.ts';
import { localServerEnvironment, temporalSettings } from '../../temporal/settings.ts';
import { CommandError } from '../core/command-error.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { stopSignal } from '../core/stop-signal.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { KIND_LABELS } from '../../config/configuration-kind.ts';
import { readConfigurationFile } from '../core/configuration-file.ts';
import { unansweredReason } from '../../temporal/missing-worker.ts';
import { openStore } from '../../store/artifact-store.ts';
import { resolveStoreAddress } from '../../store/drivers.ts';
import { connectToTemporal, isServerReachable } from '../temporal/connect.ts';
import { displayFor } from '../progress/display.ts';
import { watchRun } from '../progress/watch-run.ts';
import { resultJson, resultTable } from '../output/result-table.ts';
import { devServerPorts, startDevServer, isTemporalReachable } from '../temporal/dev-server.ts';
import { installDependencies } from '../setup/install-dependencies.ts';
import { nextRun } from './next-run.ts';
import { startWorkerProcess } from '../worker/worker-process.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { printText, printError, printJson } from '../core/output.ts';

export interface DemoOptions {
  /** A configuration file; the embedded example by default. */
  readonly config: string | undefined;
  readonly seed: string | undefined;
  /** Whether to start another run although one is unfinished. */
  readonly new: boolean;
  readonly store: string;
}

/**
 * Runs the whole loop on this machine, with a real Temporal server, worker, model server and trainer. Continues an unfinished
 * run, or starts the next one.
 * @throws SetupError, CommandError
 */
export async function demo(options: DemoOptions, json: boolean): Promise<ExitReason> {
  const configuration = configurationOf(options);
  const closed = new AbortController();
  const signal = AbortSignal.any([stopSignal(), closed.signal]);
  // If the reader of the output closes the pipe, the demo stops what it has started.
  process.stdout.on('error', () => closed.abort());

  const { python } = await installDependencies();
  const storeRoot = resolveStoreAddress(options.store);
  const store = openStore(storeRoot);
  // Imported here, because it loads much.
  void import('./begin-trainer-check.ts').then(({ beginTrainerCheck }) =>
    beginTrainerCheck({ python, store }, configuration, signal),
  );
  const temporal = await findOrStartTemporal();
  const { environment } = temporal;
  const { client, connection, address, namespace } = await connectToTemporal(environment);
  const logFile = resolve('.temporal', 'worker.log');
  const worker = startWorkerProcess({ python, storeRoot, logFile, environment });
  try {
    const { runName, resumed } = await nextRun(store, configuration.runName, { startNew: options.new });
    const run = await startRun(client, { ...configuration, runName });
    const action = resumed ? 'Continuing the run' : 'Starting the run';
    const { uiUrl } = temporal;
    const link =
      uiUrl === undefined ? '' : ` Watch it: ${uiUrl}/namespaces/${namespace}/workflows/${runName}`;
    printError(`${action} ${runName}.${link}\n`);
    const result = await watchRun(run, {
      display: displayFor(process.stderr, process.env),
      signal,
      isServerReachable: () => isServerReachable(connection),
      server: address,
      unansweredReason: () => unansweredReason(client, runName),
      workerEnded: worker.ended,
    });
    if (result === undefined) {
      const server = temporal.isOwned
        ? ', the model servers and the Temporal server'
        : ' and the model servers';
      printError(
        `\nStopping the worker${server}; a training saves a checkpoint first.\n` +
          `The same command${options.new ? ' without --new' : ''} continues ${runName} from here.`,
      );
      return 'interrupted';
    }
    const report = store.locate(result.report);
    (json ? printError : printText)(`\n${resultTable(result)}\n\nReport: ${report}`);
    if (json) printJson(resultJson(result, report));
    return 'done';
  } catch (error) {
    // An empty line separates the error from the progress above.
    printError('');
    throw error;
  } finally {
    await worker.stop();
    await temporal.stop();
  }
}

function configurationOf({ config, seed }: DemoOptions): ConfigurationInput {
  if (seed !== undefined && !/^\d+$/.test(seed))
    throw new CommandError('usage', `--seed is ${JSON.stringify(seed)}, but must be a whole number.`);
  const file = config ?? join(packageRoot, 'temporal', 'inputs', 'embedded.json');
  const { kind, input } = readConfigurationFile(file, seed === undefined ? {} : { seed: Number(seed) });
  if (kind === 'run') return input;
  throw new CommandError(
    'usage',
    `${resolve(file)} configures ${KIND_LABELS[kind]}, but the demo needs the configuration of a run. To start it on a server with a worker: ${PROGRAM_CALL} start FILE`,
  );
}

/** The server that the demo runs on. */
interface DemoServer {
  /** The environment with which the worker and the client connect to it. */
  readonly environment: NodeJS.ProcessEnv;
  /** The address of its Web UI, if known. */
  readonly uiUrl: string | undefined;
  readonly isOwned: boolean;
  stop(): Promise<void>;
}

/** The server named by variables or a profile, else the one that already answers on the port, else a new one. */
async function findOrStartTemporal(): Promise<DemoServer> {
  const notOwned = { isOwned: false, stop: () => Promise.resolve() };
  const configured = temporalSettings(process.env).address;
  if (configured !== undefined) {
    printError(
      `Using the Temporal server at ${configured}, as TEMPORAL_ADDRESS or a profile of the Temporal CLI says.`,
    );
    return { ...notOwned, environment: process.env, uiUrl: undefined };
  }
  const ports = devServerPorts(process.env);
  const address = `127.0.0.1:${ports.grpc}`;
  const environment = localServerEnvironment(address, process.env);
  const uiUrl = `http://127.0.0.1:${ports.ui}`;
  if (await isTemporalReachable(address)) {
    printError(`Using the Temporal server that already answers on ${address}; it will keep running.`);
    return { ...notOwned, environment, uiUrl };
  }
  const server = await startDevServer({ ports });
  return { environment, uiUrl, isOwned: true, stop: () => server.stop() };
}
