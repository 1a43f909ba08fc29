/** The ports of the development server: the option of `temporal` and the environment variable that set each, and the usual one. */
export const PORT_SETTINGS = {
  grpc: {
    option: 'port',
    variable: 'SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT',
    usual: 7233,
    name: 'Temporal server',
  },
  ui: { option: 'ui-port', variable: 'SELF_TAUGHT_EVALUATOR_UI_PORT', usual: 8233, name: 'Temporal Web UI' },
  http: {
    option: 'http-port',
    variable: 'SELF_TAUGHT_EVALUATOR_HTTP_PORT',
    usual: 7243,
    name: 'Temporal HTTP API',
  },
} as const;
