/**
 * `npm run chaos -- --seed S --kills K`: runs the embedded example undisturbed, then again while worker, trainer, model
 * server and Temporal server are killed at random moments, and compares. Exits with 1 when anything was lost or differs.
 */
import { ENDPOINTS, type EndpointName } from './chaos/configurations.ts';
import { runChaos } from './chaos/run-chaos.ts';
import { failureOf, summaryOf, tableOf } from './chaos/summary.ts';
import { parseOptions } from './setup/parse-options.ts';
import { prepare } from './setup/prepare.ts';
import { runScript } from './setup/run-script.ts';
import { SetupError } from './setup/setup-error.ts';

const OPTIONS = {
  /** Moments and victims follow from it, and the run's own random choices. */
  seed: { type: 'string', default: '1' },
  kills: { type: 'string', default: '20' },
  endpoint: { type: 'string', default: 'embedded' },
  /** Worker processes, each with all roles. */
  workers: { type: 'string', default: '1' },
  /** Keep the folder with the store and the logs. */
  keep: { type: 'boolean', default: false },
  /** The last line on standard output is the summary as JSON. */
  json: { type: 'boolean', default: false },
} as const;

function optionsFrom(args: string[]) {
  const { seed, kills, workers, endpoint, ...flags } = parseOptions(args, OPTIONS);
  const count = (name: string, text: string, least: number): number => {
    if (/^\d+$/.test(text) && Number(text) >= least && Number(text) < 2 ** 31) return Number(text);
    throw new SetupError(`--${name} is "${text}", and must be a whole number from ${least} on.`);
  };
  if (!(ENDPOINTS as readonly string[]).includes(endpoint))
    throw new SetupError(`--endpoint is "${endpoint}", and must be one of ${ENDPOINTS.join(', ')}.`);
  return {
    ...flags,
    endpoint: endpoint as EndpointName,
    seed: count('seed', seed, 0),
    kills: count('kills', kills, 1),
    workers: count('workers', workers, 1),
  };
}

await runScript(async () => {
  const { json, ...options } = optionsFrom(process.argv.slice(2));
  const stopping = new AbortController();
  const stop = () => stopping.abort(new SetupError('Stopped.'));
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  const { python } = await prepare();
  const repeat = `npm run chaos -- --seed ${options.seed} --kills ${options.kills} --endpoint ${options.endpoint} --workers ${options.workers}`;
  try {
    const log = (line: string) => console.error(line);
    const outcome = await runChaos({ ...options, python, signal: stopping.signal, log });
    const summary = summaryOf(outcome, options.seed);
    console[json ? 'error' : 'log'](tableOf(summary));
    const failure = failureOf(summary);
    if (failure !== undefined) {
      console.error(`\nFAILED: ${failure}. Again: ${repeat}`);
      process.exitCode = 1;
    }
    if (json) console.log(JSON.stringify(summary));
  } catch (error) {
    console.error(`\nFAILED with seed ${options.seed}. Again: ${repeat}`);
    throw error;
  }
});
