import { TASK_NAMES } from '../../method/tasks.ts';
import { STORE } from '../../worker/options.ts';
import { defineCommand } from '../core/define-command.ts';

export const judge = defineCommand({
  usage: 'judge <file>',
  summary:
    'Judge the responses of each row of a file: pairs, scores, the best of several, or correctness. If it is interrupted, the same command continues.',
  json: 'the figures as one document',
  positionals: {
    file: {
      type: 'string',
      demandOption: true,
      describe:
        'JSONL, JSON or Parquet: instruction or prompt, and responseA and responseB (perhaps label), or chosen and rejected; or response or ' +
        'responses (docs/judge.md).',
    },
  },
  options: {
    model: {
      type: 'string',
      demandOption: true,
      describe:
        'A judge as run:NAME/best, run:NAME/latest, or run:NAME/2 for M_2; the name of a run; a checkpoint folder; or the URL of an endpoint.',
    },
    task: {
      choices: ['pair', ...TASK_NAMES] as const,
      describe:
        'Which of two responses is better, the score of a response, the best of several responses, or whether a response is correct; by ' +
        'default what the fields of the first row say.',
    },
    out: {
      type: 'string',
      describe:
        'The file for the verdicts, as JSONL; for pairs.jsonl by default pairs.verdicts.jsonl in the current folder.',
    },
    votes: {
      type: 'number',
      default: 1,
      describe: 'The number of judgments of each order; the majority counts.',
    },
    'both-orders': {
      type: 'boolean',
      default: false,
      describe:
        'Also judge each pair with the responses swapped; of several responses, show each one in every place.',
    },
    direct: {
      type: 'boolean',
      default: false,
      describe:
        'Ask for the verdict alone in both orders first, and with reasoning only if the judge is not sure; needs log-probabilities.',
    },
    threshold: {
      type: 'number',
      describe:
        'With --direct: the least probability, in both orders, of a verdict without reasoning, from 0.5 to 1; 0.9 by default.',
    },
    'direct-prompt': {
      type: 'string',
      describe:
        "With --direct: the folder of the prompt for the verdict alone; by default judge.json's own, else prompts/direct.",
    },
    judge: {
      type: 'string',
      describe: "A judge.json to use instead of the checkpoint's own; required for an endpoint.",
    },
    'served-model-name': {
      type: 'string',
      describe: "The model's name at the endpoint, or at the server that --serve starts.",
    },
    'api-key-env': {
      type: 'string',
      describe:
        'The environment variable with the key for the endpoint, or for the server that --serve starts.',
    },
    'api-key-header': {
      type: 'string',
      describe:
        'The header with the key, such as x-api-key; by default api-key for Azure, and Authorization for all others.',
    },
    serve: {
      type: 'string',
      describe: 'A command that serves the checkpoint: "... {checkpoint} ... {servedModelName} ... {port}".',
    },
    temperature: { type: 'number', describe: 'Overrides the temperature of judge.json.' },
    'top-p': { type: 'number', describe: 'Overrides the top-p of judge.json.' },
    seed: { type: 'number', default: 1, describe: 'The seed of sampling at a temperature above 0.' },
    'max-refused-share': {
      type: 'number',
      default: 0.05,
      describe:
        'The share of rows that the endpoint may refuse, for example because they are too long; above it the command fails.',
    },
    concurrency: { type: 'number', default: 16, describe: 'The number of concurrent requests.' },
    store: { type: 'string', ...STORE },
  },
  examples: [
    [
      '$0 judge pairs.jsonl --model run:NAME/best --direct --threshold 0.95',
      'Judge without reasoning where the judge is sure of it',
    ],
    [
      '$0 judge pairs.jsonl --model run:embedded/best --both-orders',
      'Use the best judge of a run, in both orders',
    ],
    [
      '$0 judge pairs.jsonl --model http://gpu:8000/v1 --served-model-name judge --judge judge.json --votes 5',
      'Use a judge that is already served',
    ],
    ['$0 judge answers.jsonl --model run:NAME/best --task verify', 'Say which answers are correct'],
  ],
  run: async (args) =>
    (await import('../judge/judge.ts')).judge({
      ...args,
      servedModelName: args['served-model-name'],
      apiKeyEnv: args['api-key-env'],
      apiKeyHeader: args['api-key-header'],
      directPrompt: args['direct-prompt'],
      bothOrders: args['both-orders'],
      topP: args['top-p'],
      maxRefusedShare: args['max-refused-share'],
    }),
});
