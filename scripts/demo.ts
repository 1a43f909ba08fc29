/**
 * `npm run demo`: the whole loop on this machine, every part real: Temporal server, worker, model server, trainer. An
 * unfinished run goes on; after a finished one the next begins.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { failureMessage, startRun, type ConfigurationInput } from '../src/client.ts';
import { environmentOfLocalServer, temporalSettings } from '../src/temporal/settings.ts';
import { chooseRun } from './demo/choose-run.ts';
import { startWorker } from './demo/worker-process.ts';
import { displayFor } from './follow/display.ts';
import { followRun } from './follow/follow-run.ts';
import { resultJson, resultTable } from './follow/result-table.ts';
import { connectToTemporal, serverAnswers } from './follow/connect.ts';
import { portsFrom, startTemporal, temporalAnswers } from './setup/dev-server.ts';
import { prepare } from './setup/prepare.ts';
import { parseOptions } from './setup/parse-options.ts';
import { runScript } from './setup/run-script.ts';
import { SetupError } from './setup/setup-error.ts';

const root = join(import.meta.dirname, '..');

const OPTIONS = {
  /** The last line on standard output is the result as JSON. */
  json: { type: 'boolean', default: false },
  /** Start another run though one is unfinished. */
  new: { type: 'boolean', default: false },
  config: { type: 'string', default: join(root, 'temporal', 'inputs', 'embedded.json') },
  seed: { type: 'string' },
} as const;

function readConfiguration(file: string, seed: string | undefined): ConfigurationInput {
  if (seed !== undefined && !/^\d+$/.test(seed))
    throw new SetupError(`--seed is ${JSON.stringify(seed)}, and must be a whole number`);
  try {
    const configuration = JSON.parse(readFileSync(resolve(file), 'utf8')) as ConfigurationInput;
    // The run's folder is looked for before anything else is read; the rest is told all at once when it starts.
    if (typeof (configuration as Partial<ConfigurationInput> | null)?.runName !== 'string')
      throw new Error('a configuration is a JSON object with a runName');
    return seed === undefined ? configuration : { ...configuration, seed: Number(seed) };
  } catch (error) {
    throw new SetupError(
      `Cannot read ${resolve(file)}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
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

await runScript(async () => {
  const options = parseOptions(process.argv.slice(2), OPTIONS);
  const asked = readConfiguration(options.config, options.seed);
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);

  const { python } = await prepare();
  const storeRoot = resolve(process.env['SELF_TAUGHT_EVALUATOR_STORE'] ?? join(root, 'runs'));
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
      process.exitCode = 130;
      return;
    }
    const report = join(storeRoot, result.report);
    console[options.json ? 'error' : 'log'](`\n${resultTable(result)}\n\nReport: ${report}`);
    if (options.json) console.log(JSON.stringify(resultJson(result, report)));
  } catch (error) {
    console.error(`\n${failureMessage(error)}`);
    process.exitCode = 1;
  } finally {
    await worker.stop();
    await temporal.stop();
  }
});
// The connection ends with the process: closed before, it throws at a call that the SDK is about to repeat.
process.exit();
