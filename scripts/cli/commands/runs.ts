import { RUN_STATUSES } from '../../../src/runs/run-list.ts';
import { defineCommand } from '../command.ts';
import { STORE } from '../../../src/worker-options.ts';

export const runs = defineCommand({
  usage: 'runs',
  summary: 'List runs, evaluations and judgings of files, from the store and from Temporal.',
  json: 'all of them as one array',
  options: {
    store: { type: 'string', ...STORE },
    status: {
      type: 'string',
      array: true,
      choices: [...RUN_STATUSES, 'only-in-store', 'only-in-temporal'],
      describe: 'Only those that stand so; several may be given.',
    },
  },
  examples: [
    ['$0 runs', 'List all'],
    ['$0 runs --status running paused', 'List those that are under way'],
  ],
  run: async (args) => (await import('../../runs/list-runs.ts')).listRuns(args),
});
