import { STORE } from '../../../src/worker-options.ts';
import { defineCommand } from '../command.ts';

export const judge = defineCommand({
  usage: 'judge <pairs>',
  summary: 'Let a judge compare the two responses of each row of a file; killed, the same command goes on.',
  json: 'the figures as one document',
  positionals: {
    pairs: {
      type: 'string',
      demandOption: true,
      describe:
        'JSONL, JSON or Parquet: instruction or prompt, and responseA and responseB (perhaps label), or chosen and rejected.',
    },
  },
  options: {
    model: {
      type: 'string',
      demandOption: true,
      describe:
        'run:NAME/best, run:NAME/newest, run:NAME/2 for M_2, the name of a run, a checkpoint folder, or the URL of an endpoint.',
    },
    out: {
      type: 'string',
      describe: 'Where the verdicts go, as JSONL; <pairs>.verdicts.jsonl here by default.',
    },
    votes: { type: 'number', default: 1, describe: 'Judgments of each order, whose majority counts.' },
    'both-orders': {
      type: 'boolean',
      default: false,
      describe: 'Ask once more with the responses exchanged.',
    },
    judge: {
      type: 'string',
      describe: "A judge.json instead of the checkpoint's own; an endpoint needs it.",
    },
    'served-name': {
      type: 'string',
      describe: "The model's name at the endpoint, or at the server that --serve starts.",
    },
    'api-key-variable': {
      type: 'string',
      describe: 'The environment variable that holds the key for the endpoint.',
    },
    serve: {
      type: 'string',
      describe: 'A command that serves the checkpoint: "... {checkpoint} ... {servedName} ... {port}".',
    },
    temperature: { type: 'number', describe: 'Instead of what judge.json says.' },
    'top-p': { type: 'number', describe: 'Instead of what judge.json says.' },
    seed: { type: 'number', default: 1, describe: 'Varies what is drawn at a temperature above 0.' },
    'maximum-refused-share': {
      type: 'number',
      default: 0.05,
      describe: 'More of the pairs refused by the endpoint (too long, say) end the command with 1.',
    },
    concurrency: { type: 'number', default: 16, describe: 'Requests under way at once.' },
    store: { type: 'string', ...STORE },
  },
  examples: [
    [
      '$0 judge pairs.jsonl --model run:embedded/best --both-orders',
      'The best judge of a run, in both orders',
    ],
    [
      '$0 judge pairs.jsonl --model http://gpu:8000/v1 --served-name judge --judge judge.json --votes 5',
      'A judge that is served already',
    ],
  ],
  run: async (args) =>
    (await import('../../judge/judge.ts')).judge({
      ...args,
      servedName: args['served-name'],
      apiKeyVariable: args['api-key-variable'],
      bothOrders: args['both-orders'],
      topP: args['top-p'],
      maximumRefusedShare: args['maximum-refused-share'],
    }),
});
