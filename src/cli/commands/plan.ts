import { STORE } from '../../worker/options.ts';
import { defineCommand } from '../core/define-command.ts';

export const plan = defineCommand({
  usage: 'plan <configuration>',
  summary:
    'Estimate what a run would take: requests, tokens, memory, disk, time and cost by stage. Nothing is started.',
  json: 'the plan as one document (schema/plan.schema.json)',
  positionals: {
    configuration: {
      type: 'string',
      demandOption: true,
      describe: 'The configuration file of the run.',
    },
  },
  options: {
    probe: {
      type: 'boolean',
      default: false,
      describe: 'Send a few requests to the models, to measure the length and the speed of their answers.',
    },
    'probe-seconds': {
      type: 'number',
      default: 60,
      describe: 'The time limit of --probe, including the start of model servers.',
    },
    rates: { type: 'string', describe: 'A JSON file with the rates of stages (docs/planning.md).' },
    assume: {
      type: 'array',
      string: true,
      default: [],
      describe: 'NAME=NUMBER replaces an assumption of the estimate; may be given several times.',
    },
    store: { type: 'string', ...STORE },
  },
  examples: [
    ['$0 plan temporal/inputs/embedded.json', 'Estimate the embedded example'],
    ['$0 plan run.json --probe', 'Measure the models first, for at most a minute'],
    ['$0 plan run.json --assume judgmentTokens=600 --json', 'Assume longer judgments; print JSON'],
  ],
  run: async (args) => (await import('../plan/plan.ts')).printPlan(args),
});
