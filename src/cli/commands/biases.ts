import { DEFAULT_LENGTH_LIMIT } from '../../benchmarks/biases.ts';
import { defineCommand } from '../core/define-command.ts';

export const biases = defineCommand({
  usage: 'biases <verdicts> <pairs>',
  summary:
    'Measure the biases of a judge on the pairs that it has judged: position, length, own family, and the verbosity of its reasons.',
  json: 'the biases as one object',
  positionals: {
    verdicts: {
      type: 'string',
      demandOption: true,
      describe: 'The verdicts that the command judge has written.',
    },
    pairs: {
      type: 'string',
      demandOption: true,
      describe:
        'The file that was judged. It may name the models of the responses: modelA and modelB, or chosen_model and rejected_model.',
    },
  },
  options: {
    labels: {
      type: 'string',
      describe: "People's labels, as for the command agreement; the labels of the judged file by default.",
    },
    family: {
      type: 'string',
      describe: "A text that the names of the models of the judge's own family contain, such as llama.",
    },
    'length-limit': {
      type: 'number',
      default: DEFAULT_LENGTH_LIMIT,
      describe:
        'Responses are of similar length if the longer one has at most so many times the words of the shorter one.',
    },
  },
  examples: [
    ['$0 biases pairs.verdicts.jsonl pairs.jsonl', 'Measure the biases on a judged file'],
    ['$0 biases pairs.verdicts.jsonl pairs.jsonl --family llama', 'Also for the own family'],
  ],
  run: async (args) =>
    (await import('../judge/biases.ts')).biases({ ...args, lengthLimit: args['length-limit'] }),
});
