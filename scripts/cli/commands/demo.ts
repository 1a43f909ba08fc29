import { STORE } from '../../../src/worker-options.ts';
import { defineCommand } from '../command.ts';

export const demo = defineCommand({
  usage: 'demo',
  summary: 'Do the whole loop on this machine, every part real, in about two minutes.',
  details:
    'Installs what is missing; starts a Temporal server, or uses the development server that answers already, and a worker; shows ' +
    'the run until it ends. Ctrl-C at any time stops all of it, and the same command goes on with the run; after a finished run it begins the next one.',
  json: 'the result as the last line',
  options: {
    config: {
      type: 'string',
      defaultDescription: 'temporal/inputs/embedded.json of the checkout',
      describe: 'The file with the configuration of the run.',
    },
    seed: { type: 'string', describe: 'A whole number, from which every random choice follows.' },
    new: { type: 'boolean', default: false, describe: 'Start another run though one is unfinished.' },
    store: { type: 'string', ...STORE },
  },
  examples: [
    ['$0 demo', 'The embedded example'],
    [
      '$0 demo --config temporal/inputs/embedded-dpo.json --seed 7',
      'Another configuration, drawn differently',
    ],
  ],
  run: async ({ json, ...options }) => (await import('../../demo/demo.ts')).demo(options, json),
});
