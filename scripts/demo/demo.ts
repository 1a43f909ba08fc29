import { join, resolve } from 'node:path';
import { startRun, type ConfigurationInput } from '../../src/client.ts';
import { environmentOfLocalServer, temporalSettings } from '../../src/temporal/settings.ts';
import { CommandError } from '../cli/command-error.ts';
import type { Ending } from '../cli/exit-codes.ts';
import { CALL } from '../cli/program.ts';
import { CALLED } from '../../src/config/kind.ts';
import { configurationIn } from '../start/configuration-file.ts';
import { connectToTemporal, serverAnswers } from '../follow/connect.ts';
import { displayFor } from '../follow/display.ts';
import { followRun } from '../follow/follow-run.ts';
import { resultJson, resultTable } from '../follow/result-table.ts';
import { portsFrom, startTemporal, temporalAnswers } from '../setup/dev-server.ts';
import { prepare } from '../setup/prepare.ts';
import { chooseRun } from './choose-run.ts';
import { startWorker } from './worker-process.ts';

const root = join(import.meta.dirname, '..', '..');

export interface DemoOptions {
  /** A file; the embedded example by default. */
  readonly config: string | undefined;
  readonly seed: string | undefined;
  /** Start another run though one is unfinished. */
  readonly new: boolean;
  readonly store: string;
}

/**
 * The whole loop on this machine, every part real: Temporal server, worker, model server, trainer. An unfinished run goes
 * on; after a finished one the next begins.
 * @throws SetupError, CommandError
 */
export async function demo(options: DemoOptions, json: boolean): Promise<Ending> {
  const asked = configurationOf(options);
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  // Who reads may have enough; what was started is stopped all the same.
  process.stdout.on('error', stop);

  const { python } = await prepare();
  const storeRoot = resolve(options.store);
  const temporal = await useTemporal();
  const { environment } = temporal;
  const { client, connection, address, namespace } = await connectToTemporal(environment);
  const logFile = join(root, '.temporal', 'worker.log');
  const worker = startWorker({ python, storeRoot, logFile, environment });
  try {
    const { runName, resumed } = chooseRun(storeRoot, asked.runName, { startNew: options.new });
    const run = await startRun(client, { ...asked, runName });
    const verb = resumed ? 'goes on with the run' : 'starts the run';
    const { uiUrl } = temporal;
    const page =
      uiUrl === undefined ? '' : ` Watch it: ${uiUrl}/namespaces/${namespace}/workflows/${runName}`;
    console.error(`This ${verb} ${runName}.${page}\n`);
    const result = await followRun(run, {
      display: displayFor(process.stderr, process.env),
      signal: stopping.signal,
      serverAnswers: () => serverAnswers(connection),
      server: address,
      workerEnded: worker.ended,
    });
    if (result === undefined) {
      const server = temporal.isOurs
        ? ', the model servers and the Temporal server'
        : ' and the model servers';
      console.error(
        `\nStopping the worker${server}; a training saves a checkpoint first.\n` +
          `The same command${options.new ? ' without --new' : ''} goes on with ${runName} where it is now.`,
      );
      return 'interrupted';
    }
    const report = join(storeRoot, result.report);
    console[json ? 'error' : 'log'](`\n${resultTable(result)}\n\nReport: ${report}`);
    if (json) console.log(JSON.stringify(resultJson(result, report)));
    return 'done';
  } catch (error) {
    // A line below what was shown.
    console.error('');
    throw error;
  } finally {
    await worker.stop();
    await temporal.stop();
  }
}

function configurationOf({ config, seed }: DemoOptions): ConfigurationInput {
  if (seed !== undefined && !/^\d+$/.test(seed))
    throw new CommandError('usage', `--seed is ${JSON.stringify(seed)}, and must be a whole number.`);
  const file = config ?? join(root, 'temporal', 'inputs', 'embedded.json');
  const { kind, input } = configurationIn(file, seed === undefined ? {} : { seed: Number(seed) });
  if (kind === 'run') return input;
  throw new CommandError(
    'usage',
    `${resolve(file)} configures ${CALLED[kind]}, and the demo does runs: "${CALL} start FILE" starts it on a server with a worker.`,
  );
}

/** The server that the demo runs on. */
interface DemoServer {
  /** With which worker and client find it. */
  readonly environment: NodeJS.ProcessEnv;
  /** Where its Web UI is, if that is known. */
  readonly uiUrl: string | undefined;
  readonly isOurs: boolean;
  stop(): Promise<void>;
}

/** The server that variables or a profile name, else the one that answers on the port already, or one of our own. */
async function useTemporal(): Promise<DemoServer> {
  const notOurs = { isOurs: false, stop: () => Promise.resolve() };
  const named = temporalSettings(process.env).address;
  if (named !== undefined) {
    console.error(
      `The Temporal server at ${named} is used, as TEMPORAL_ADDRESS or a profile of the Temporal CLI says.`,
    );
    return { ...notOurs, environment: process.env, uiUrl: undefined };
  }
  const ports = portsFrom(process.env);
  const address = `127.0.0.1:${ports.grpc}`;
  const environment = environmentOfLocalServer(address, process.env);
  const uiUrl = `http://127.0.0.1:${ports.ui}`;
  if (await temporalAnswers(address)) {
    console.error(`A Temporal server already answers on ${address}: it is used, and left running.`);
    return { ...notOurs, environment, uiUrl };
  }
  const server = await startTemporal({ ports });
  return { environment, uiUrl, isOurs: true, stop: () => server.stop() };
}
