import { KEPT_JUDGES } from '../../../src/runs/garbage.ts';
import { defineCommand } from '../command.ts';
import { STORE } from '../../../src/worker-options.ts';

export const gc = defineCommand({
  usage: 'gc [runs..]',
  summary:
    'Show what of the store retention no longer keeps, and with --yes free it; a run under way is never touched.',
  json: 'what was found, or freed, of each run as one object',
  positionals: {
    runs: {
      type: 'string',
      array: true,
      completes: 'runs',
      describe: 'Runs, evaluations or judgings by name; by default all of the store.',
    },
  },
  options: {
    store: { type: 'string', ...STORE },
    yes: { type: 'boolean', default: false, describe: 'Free it; without, it is only shown.' },
    keep: {
      type: 'string',
      choices: KEPT_JUDGES,
      default: 'all',
      describe:
        'The judges of finished runs that keep their weights: the best one, the best and the last one, or all.',
    },
    'assume-ended': {
      type: 'boolean',
      default: false,
      describe: 'Count a named run as over where neither the store nor Temporal says how it ended.',
    },
  },
  examples: [
    ['$0 gc', 'Show what could be freed'],
    ['$0 gc --keep last --yes', 'Free it, and of finished runs all judges but the best and the last one'],
  ],
  run: async ({ 'assume-ended': assumeEnded, ...args }) =>
    (await import('../../runs/collect-garbage.ts')).collectGarbage({ ...args, assumeEnded }),
});
