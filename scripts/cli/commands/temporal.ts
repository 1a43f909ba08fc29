import { PORT_SETTINGS } from '../../setup/port-settings.ts';
import { defineCommand } from '../command.ts';

export const temporal = defineCommand({
  usage: 'temporal',
  summary: 'Run the Temporal development server with its Web UI until it is stopped.',
  details:
    'Installs the Temporal CLI where it is missing, and prints its path. The server has the search attributes of runs; the next start ' +
    'goes on with the same runs. Its log is server.log beside its database.',
  json: 'where it answers and the path of the Temporal CLI as one line, once it does',
  options: {
    port: portOption('grpc', 'The port for workers, clients and the Temporal CLI.'),
    'ui-port': portOption('ui', 'The port of the Web UI.'),
    'http-port': portOption('http', 'The port of the HTTP API.'),
    'db-filename': {
      type: 'string',
      defaultDescription: '.temporal/temporal.db in the checkout',
      describe: 'The file with the runs.',
    },
  },
  examples: [
    ['$0 temporal', 'On the usual ports'],
    ['$0 temporal --port 7300 --ui-port 8300', 'Beside another one'],
  ],
  run: async ({ json, ...options }) => (await import('../../temporal/serve.ts')).serve(options, json),
});

function portOption(key: keyof typeof PORT_SETTINGS, describe: string) {
  const { usual, variable } = PORT_SETTINGS[key];
  return { type: 'string', default: String(usual), variable, describe } as const;
}
