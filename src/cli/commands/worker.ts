import { type WorkerOptionTexts, WORKER_OPTIONS } from '../../worker/options.ts';
import { defineCommand } from '../core/define-command.ts';

type TextOptions = {
  readonly [Name in keyof WorkerOptionTexts]: (typeof WORKER_OPTIONS)[Name] & { readonly type: 'string' };
};

/** All options are strings, which the worker parses: its errors name the option and its variable. */
const options = Object.fromEntries(
  Object.entries(WORKER_OPTIONS).map(([name, option]) => [name, { ...option, type: 'string' }]),
) as TextOptions;

export const worker = defineCommand({
  usage: 'worker',
  summary: 'Run a worker with all or some roles until it is stopped.',
  details:
    'Installs the Python environment if it is missing. On Ctrl-C or SIGTERM it waits for its activities and stops; runs continue ' +
    'with the next worker. Its log goes to standard error.',
  json: 'its roles, queue, store and Python as one line when it starts',
  options,
  examples: [
    ['$0 worker', 'All roles on one machine'],
    [
      '$0 worker --roles gpu --store /shared/runs --serve-host 10.0.0.7',
      'Serve models and train on the machine with this address, with other workers for the other roles',
    ],
  ],
  run: async ({ json, ...texts }) => (await import('../worker/run-worker.ts')).runWorkerCommand(texts, json),
});
