import { STORE } from '../../worker/options.ts';
import { defineCommand } from '../core/define-command.ts';

export const demo = defineCommand({
  usage: 'demo',
  summary: 'Run the whole loop on this machine with a tiny model, in about two minutes.',
  details:
    'Installs what is missing, starts a worker and, unless one already answers, a Temporal server, and shows the run until it ends. ' +
    'Ctrl-C stops everything after a checkpoint, and a second one at once; the same command then continues the run. After a ' +
    'completed run it starts the next one.',
  json: 'the result as the last line',
  options: {
    config: {
      type: 'string',
      defaultDescription: 'temporal/inputs/embedded.json of the package',
      describe: 'The configuration file of the run.',
    },
    seed: { type: 'string', describe: 'A whole number that determines every random choice.' },
    new: { type: 'boolean', default: false, describe: 'Start another run although one is unfinished.' },
    store: { type: 'string', ...STORE },
  },
  examples: [
    ['$0 demo', 'The embedded example'],
    ['$0 demo --config temporal/inputs/embedded-dpo.json --seed 7', 'Another configuration and seed'],
  ],
  run: async ({ json, ...options }) => (await import('../demo/demo.ts')).demo(options, json),
});
