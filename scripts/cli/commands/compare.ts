import { defineCommand } from '../command.ts';
import { STORE } from '../../../src/worker-options.ts';

export const compare = defineCommand({
  usage: 'compare <first> <second>',
  summary:
    'Compare two runs: what differs in their settings, and their judges on every benchmark that both have.',
  json: 'the comparison as one object',
  positionals: {
    first: {
      type: 'string',
      demandOption: true,
      completes: 'runs',
      describe: 'A run or an evaluation; its best judge, or with @N that of iteration N.',
    },
    second: {
      type: 'string',
      demandOption: true,
      completes: 'runs',
      describe: 'What it is compared with, in the same way.',
    },
  },
  options: { store: { type: 'string', ...STORE } },
  examples: [
    ['$0 compare embedded embedded-2', 'Compare the best judges of two runs'],
    ['$0 compare embedded@0 embedded@3', 'Compare the seed judge of a run with its third one'],
  ],
  run: async (args) => (await import('../../runs/compare-text.ts')).compare(args),
});
