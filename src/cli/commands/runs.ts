import { RUN_STATUSES } from '../../api/run-status.ts';
import { defineCommand } from '../core/define-command.ts';
import { STORE } from '../../worker/options.ts';

export const runs = defineCommand({
  usage: 'runs',
  summary: 'List runs, evaluations and judgings in the store and in Temporal.',
  json: 'all of them as one array',
  options: {
    store: { type: 'string', ...STORE },
    status: {
      type: 'string',
      array: true,
      choices: [...RUN_STATUSES, 'only-in-store', 'only-in-temporal'],
      describe: 'Only runs with this status; several may be given.',
    },
  },
  examples: [
    ['$0 runs', 'List all'],
    ['$0 runs --status running paused', 'List the open runs'],
  ],
  run: async (args) => (await import('../runs/list-runs.ts')).listRuns(args),
});
