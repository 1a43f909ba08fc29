import { RETAINED_JUDGES } from '../../runs/garbage.ts';
import { defineCommand } from '../core/define-command.ts';
import { STORE } from '../../worker/options.ts';

export const gc = defineCommand({
  usage: 'gc [runs..]',
  summary: 'List what can be deleted from the store, and delete it with --yes. Open runs are never touched.',
  json: 'what was found or deleted of each run as one object',
  positionals: {
    runs: {
      type: 'string',
      array: true,
      completes: 'runs',
      describe: 'Names of runs, evaluations or judgings; all in the store by default.',
    },
  },
  options: {
    store: { type: 'string', ...STORE },
    yes: { type: 'boolean', default: false, describe: 'Delete what is listed.' },
    keep: {
      type: 'string',
      choices: RETAINED_JUDGES,
      default: 'all',
      describe:
        'The judges of completed runs whose weights are kept: the best one, the best and the last one, or all.',
    },
    'assume-ended': {
      type: 'boolean',
      default: false,
      describe: 'Treat the named runs as ended if neither the store nor Temporal knows how they ended.',
    },
  },
  examples: [
    ['$0 gc', 'List what can be deleted'],
    [
      '$0 gc --keep last --yes',
      'Delete it, and all judges of completed runs except the best and the last one',
    ],
  ],
  run: async ({ 'assume-ended': assumeEnded, ...args }) =>
    (await import('../runs/collect-garbage.ts')).collectGarbage({ ...args, assumeEnded }),
});
