import { defineCommand } from '../core/define-command.ts';
import { STORE } from '../../worker/options.ts';

export const exportRun = defineCommand({
  usage: 'export <judge>',
  summary:
    'Export a judge with its training sets and cards to a folder, or push them to the Hugging Face hub.',
  json: 'what was exported, and where, as one object',
  positionals: {
    judge: {
      type: 'string',
      demandOption: true,
      completes: 'runs',
      describe:
        'A judge as run:NAME/best, run:NAME/latest, or run:NAME/2 for M_2; a name alone means the best judge of that run.',
    },
  },
  options: {
    store: { type: 'string', ...STORE },
    out: { type: 'string', describe: 'A new or empty folder; by default NAME-M_N in the current folder.' },
    push: {
      type: 'string',
      conflicts: 'out',
      describe:
        'owner/name on the hub, used instead of a folder: the judge as a model, the training sets as a data set.',
    },
    public: {
      type: 'boolean',
      implies: 'push',
      describe: 'Create new repositories as public.',
    },
  },
  examples: [
    ['$0 export embedded --out judge', 'Export the best judge of "embedded" to the folder judge'],
    [
      '$0 export run:embedded/2 --push me/my-judge',
      'Push its second judge to the hub; HF_TOKEN holds the token',
    ],
  ],
  run: async (args) => (await import('../runs/export-run.ts')).exportRun(args),
});
