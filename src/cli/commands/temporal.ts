import { PORT_SETTINGS } from '../temporal/ports.ts';
import { defineCommand } from '../core/define-command.ts';

export const temporal = defineCommand({
  usage: 'temporal',
  summary: 'Run the Temporal development server with its Web UI until it is stopped.',
  details:
    'Installs the Temporal CLI if it is missing and prints its path. The server has the search attributes of runs, and keeps its runs ' +
    'after a restart. Its log is server.log beside its database.',
  json: 'its addresses and the path of the Temporal CLI as one line when it is ready',
  options: {
    port: portOption('grpc', 'The port for workers, clients and the Temporal CLI.'),
    'ui-port': portOption('ui', 'The port of the Web UI.'),
    'http-port': {
      type: 'string',
      variable: PORT_SETTINGS.http.variable,
      describe: "The port of Temporal's HTTP API for programs of this machine; off by default.",
    },
    'db-filename': {
      type: 'string',
      defaultDescription: '.temporal/temporal.db',
      describe: 'The database file.',
    },
    'codec-endpoint': {
      type: 'string',
      describe: 'The address of the codec server that the Web UI uses, such as http://127.0.0.1:8081.',
    },
  },
  examples: [
    ['$0 temporal', 'On the default ports'],
    ['$0 temporal --port 7300 --ui-port 8300', 'Beside another server'],
    ['$0 temporal --http-port 7243', 'With the HTTP API of docs/services.md'],
  ],
  run: async ({ json, ...options }) =>
    (await import('../temporal/run-dev-server.ts')).runDevServer(options, json),
});

function portOption(key: 'grpc' | 'ui', describe: string) {
  const { defaultPort, variable } = PORT_SETTINGS[key];
  return { type: 'string', default: String(defaultPort), variable, describe } as const;
}
