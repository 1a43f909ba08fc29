/**
 * `npm run chaos -- --seed S --kills K`: runs the embedded example undisturbed, then again while workers, trainers, model
 * servers and the Temporal server are killed at random, and compares the data. Exits with 1 if anything was lost or differs.
 *
 * With `--store s3` the store is a bucket of a real S3 server (versitygw), which is killed like the others.
 *
 * With `--machines 2` the workers are on machines of their own (see test/support/machines.ts) that share the store. Machines are
 * killed as a whole, are cut off from the network, and come back under other names. Exits with 2 if machines can't be made here.
 */
import { ENDPOINTS } from './chaos/configurations.ts';
import { AIMS } from './chaos/disturbed-run.ts';
import { runChaos } from './chaos/run-chaos.ts';
import { failureOf, pauseOf, summaryOf, tableOf } from './chaos/summary.ts';
import { STORES } from './chaos/stores.ts';
import { parseToolOptions } from './setup/parse-options.ts';
import { installDependencies } from '../src/cli/setup/install-dependencies.ts';
import { whyNoMachines } from '../test/support/machines.ts';
import { runTool } from './setup/run-tool.ts';
import { SetupError } from '../src/platform/setup-error.ts';

const OPTIONS = {
  /** Determines the times and targets of the kills, and the random choices of the run. */
  seed: { type: 'string', default: '1' },
  kills: { type: 'string', default: '20' },
  endpoint: { type: 'string', default: 'embedded' },
  aim: { type: 'string', default: 'anything' },
  /** Where the store is: `s3` is a bucket of a real S3 server, which is killed as well. */
  store: { type: 'string', default: 'folder' },
  /** The number of worker processes, each with all roles. */
  workers: { type: 'string', default: '1' },
  /** The number of machines with one such worker each; 1 is this machine. */
  machines: { type: 'string', default: '1' },
  /** Whether to keep the folder with the store and the logs. */
  keep: { type: 'boolean', default: false },
  /** Whether to print the summary as JSON, as the last line on standard output. */
  json: { type: 'boolean', default: false },
} as const;

function optionsFrom(args: string[]) {
  const { seed, kills, workers, machines, endpoint, aim, store, ...flags } = parseToolOptions(args, OPTIONS);
  const count = (name: string, text: string, minimum: number): number => {
    if (/^\d+$/.test(text) && Number(text) >= minimum && Number(text) < 2 ** 31) return Number(text);
    throw new SetupError(`--${name} is "${text}", but must be a whole number of at least ${minimum}.`);
  };
  const choice = <T extends string>(name: string, text: string, choices: readonly T[]): T => {
    const found = choices.find((each) => each === text);
    if (found !== undefined) return found;
    throw new SetupError(`--${name} is "${text}", but must be one of ${choices.join(', ')}.`);
  };
  return {
    ...flags,
    endpoint: choice('endpoint', endpoint, ENDPOINTS),
    aim: choice('aim', aim, AIMS),
    store: choice('store', store, STORES),
    seed: count('seed', seed, 0),
    kills: count('kills', kills, 1),
    workers: count('workers', workers, 1),
    machines: count('machines', machines, 1),
  };
}

await runTool(async () => {
  const { json, ...options } = optionsFrom(process.argv.slice(2));
  const problem = options.machines > 1 ? whyNoMachines() : undefined;
  if (problem !== undefined) {
    console.error(`--machines ${options.machines} is not possible here: ${problem}`);
    process.exitCode = 2;
    return;
  }
  const stopping = new AbortController();
  const stop = () => stopping.abort(new SetupError('Stopped.'));
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  const { python } = await installDependencies();
  const { seed, kills, endpoint, aim, store, workers, machines } = options;
  const repeat =
    `npm run chaos -- --seed ${seed} --kills ${kills} --endpoint ${endpoint} --aim ${aim} --store ${store} ` +
    (machines > 1 ? `--machines ${machines}` : `--workers ${workers}`);
  try {
    const log = (line: string) => console.error(line);
    const outcome = await runChaos({ ...options, python, signal: stopping.signal, log });
    const summary = summaryOf(outcome, options.seed);
    console[json ? 'error' : 'log'](tableOf(summary));
    if (machines > 1) console.error(`Longest pause: ${pauseOf(summary)}`);
    const failure = failureOf(summary);
    if (failure !== undefined) {
      console.error(`\nFAILED: ${failure}. To repeat: ${repeat}`);
      process.exitCode = 1;
    }
    if (json) console.log(JSON.stringify(summary));
  } catch (error) {
    console.error(`\nFAILED with seed ${options.seed}. To repeat: ${repeat}`);
    throw error;
  }
});
