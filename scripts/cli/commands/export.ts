import { defineCommand } from '../command.ts';
import { STORE } from '../../../src/worker-options.ts';

export const exportRun = defineCommand({
  usage: 'export <run>',
  summary:
    'Give a judge with its training sets and cards in one folder, or push them to the Hugging Face hub.',
  json: 'what was exported, and where, as one object',
  positionals: {
    run: { type: 'string', demandOption: true, completes: 'runs', describe: 'The run by name.' },
  },
  options: {
    store: { type: 'string', ...STORE },
    iteration: { type: 'number', describe: 'The judge of this iteration; by default the best one.' },
    out: { type: 'string', describe: 'The folder, new or empty; by default RUN-M_N in this one.' },
    push: {
      type: 'string',
      conflicts: 'out',
      describe: 'owner/name on the hub instead: the judge as a model, the training sets as a data set.',
    },
    public: {
      type: 'boolean',
      implies: 'push',
      describe: 'Whether repositories that have to be made are public.',
    },
  },
  examples: [
    ['$0 export embedded --out judge', 'The best judge of "embedded" in the folder judge'],
    [
      '$0 export embedded --iteration 2 --push me/my-judge',
      'Its second judge on the hub; the token is in HF_TOKEN',
    ],
  ],
  run: async (args) => (await import('../../runs/export-run.ts')).exportRun(args),
});
