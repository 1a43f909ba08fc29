import { defineCommand } from '../core/define-command.ts';

export const codecServer = defineCommand({
  usage: 'codec-server',
  summary: "Decrypt payloads for Temporal's Web UI and CLI until it is stopped.",
  details:
    "Serves Temporal's remote codec with the keys in TEMPORAL_ENCRYPTION_KEYS_FILE or TEMPORAL_ENCRYPTION_KEYS, for the namespace " +
    'of TEMPORAL_NAMESPACE. Whoever reaches it can read what the keys decrypt, so it listens on this machine only by default; on ' +
    'another address it needs a token in SELF_TAUGHT_EVALUATOR_CODEC_TOKEN, and something before it that adds TLS.',
  json: 'its address and the ids of its keys as one line when it is ready',
  options: {
    port: {
      type: 'string',
      default: '8081',
      variable: 'SELF_TAUGHT_EVALUATOR_CODEC_PORT',
      describe: 'The port; 0 for any free one.',
    },
    host: { type: 'string', default: '127.0.0.1', describe: 'The address of this machine to listen on.' },
    origin: {
      type: 'string',
      array: true,
      defaultDescription: "the development server's Web UI",
      describe: 'The addresses of the Web UIs whose pages may use it, such as https://temporal.example.org.',
    },
  },
  examples: [
    ['$0 codec-server', "For the development server's Web UI and the Temporal CLI of this machine"],
    ['$0 codec-server --origin https://temporal.example.org', 'For the Web UI at this address'],
  ],
  run: async ({ json, ...options }) =>
    (await import('../temporal/run-codec-server.ts')).runCodecServer(options, json),
});
