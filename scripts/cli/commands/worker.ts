import { type WorkerOptions, WORKER_OPTIONS } from '../../../src/worker-options.ts';
import { defineCommand } from '../command.ts';

type TextOptions = {
  readonly [Name in keyof WorkerOptions]: (typeof WORKER_OPTIONS)[Name] & { readonly type: 'string' };
};

/** Texts alone, read by the worker itself: what it refuses names the option, or the variable that may have said it. */
const options = Object.fromEntries(
  Object.entries(WORKER_OPTIONS).map(([name, option]) => [name, { ...option, type: 'string' }]),
) as TextOptions;

export const worker = defineCommand({
  usage: 'worker',
  summary: 'Run a worker, with all roles or some of them, until it is stopped.',
  details:
    'Installs the Python environment where it is missing. On Ctrl-C or SIGTERM it lets its activities end and stops; runs go on ' +
    'with the next worker. Its log goes to standard error.',
  json: 'its roles, queue, store and Python as one line before it begins',
  options,
  examples: [
    ['$0 worker', 'All roles, for one machine'],
    ['$0 worker --roles gpu --store /shared/runs', 'Serve models and train, beside workers elsewhere'],
  ],
  run: async ({ json, ...given }) => (await import('../../worker/run-worker.ts')).runWorkerHere(given, json),
});
