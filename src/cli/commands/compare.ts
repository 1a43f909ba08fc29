import { defineCommand } from '../core/define-command.ts';
import { STORE } from '../../worker/options.ts';

export const compare = defineCommand({
  usage: 'compare <first> <second>',
  summary:
    'Compare two judges and the settings of their runs: differences of settings, and of the figures on each shared benchmark.',
  json: 'the comparison as one object',
  positionals: {
    first: {
      type: 'string',
      demandOption: true,
      completes: 'runs',
      describe:
        'A judge as run:NAME/best, run:NAME/latest, or run:NAME/2 for M_2; a name alone means the best judge of that run or evaluation.',
    },
    second: {
      type: 'string',
      demandOption: true,
      completes: 'runs',
      describe: 'The judge to compare it with, in the same form.',
    },
  },
  options: { store: { type: 'string', ...STORE } },
  examples: [
    ['$0 compare embedded embedded-2', 'Compare the best judges of two runs'],
    ['$0 compare run:embedded/0 run:embedded/3', 'Compare the seed model of a run with its third judge'],
  ],
  run: async (args) => (await import('../runs/compare-run-judges.ts')).compareRunJudges(args),
});
