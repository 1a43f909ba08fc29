import { STORE } from '../../../src/worker-options.ts';
import { defineCommand } from '../command.ts';

export const plan = defineCommand({
  usage: 'plan <configuration>',
  summary:
    'Say what a run would take: requests, tokens, memory, disk, time and cost by stage; it does no work.',
  json: 'the plan as one document (schema/plan.schema.json)',
  positionals: {
    configuration: {
      type: 'string',
      demandOption: true,
      describe: 'The JSON file that a run is started with.',
    },
  },
  options: {
    probe: {
      type: 'boolean',
      default: false,
      describe:
        'Ask the models a handful of requests, to measure how long answers are and how fast they come.',
    },
    'probe-seconds': {
      type: 'number',
      default: 60,
      describe: 'How long --probe may take, the start of model servers included.',
    },
    rates: { type: 'string', describe: 'A JSON file that says how fast it goes (docs/planning.md).' },
    assume: {
      type: 'array',
      string: true,
      default: [],
      describe: 'NAME=NUMBER, in place of what the plan assumes; may be given many times.',
    },
    store: { type: 'string', ...STORE },
  },
  examples: [
    ['$0 plan temporal/inputs/embedded.json', 'Plan the embedded example'],
    ['$0 plan run.json --probe', 'Measure the models first, for at most a minute'],
    ['$0 plan run.json --assume judgmentTokens=600 --json', 'Assume longer judgments; print JSON'],
  ],
  run: async (args) => (await import('../../plan/plan.ts')).printPlan(args),
});
