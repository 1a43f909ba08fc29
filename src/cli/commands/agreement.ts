import { defineCommand } from '../core/define-command.ts';

export const agreement = defineCommand({
  usage: 'agreement <verdicts>',
  summary:
    "Compare the verdicts of a judge with people's labels: agreement, kappa, by rater and category, and the pairs to look at first.",
  json: 'the agreement as one object',
  positionals: {
    verdicts: {
      type: 'string',
      demandOption: true,
      describe: 'The verdicts that the command judge has written.',
    },
  },
  options: {
    labels: {
      type: 'string',
      describe:
        'JSONL, JSON or Parquet: id of the pair, and label (A, B or tie) with perhaps rater, or raters with the label of each. The labels of the judged file by default.',
    },
    pairs: {
      type: 'string',
      describe:
        'The file that was judged: pairs with the same prompt count as one question in the intervals, and subset or category is the category.',
    },
    show: {
      type: 'number',
      default: 10,
      describe: 'The number of pairs to look at first.',
    },
  },
  examples: [
    ['$0 agreement pairs.verdicts.jsonl', 'Compare with the labels of the judged file'],
    [
      '$0 agreement pairs.verdicts.jsonl --labels labels.jsonl --pairs pairs.jsonl',
      'Compare with several raters, by category',
    ],
  ],
  run: async (args) => (await import('../judge/agreement.ts')).agreement(args),
});
