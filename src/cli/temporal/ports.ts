/** The ports of the development server, each with the option of `temporal`, the environment variable and the default. */
export const PORT_SETTINGS = {
  grpc: {
    option: 'port',
    variable: 'SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT',
    defaultPort: 7233,
    name: 'Temporal server',
  },
  ui: {
    option: 'ui-port',
    variable: 'SELF_TAUGHT_EVALUATOR_UI_PORT',
    defaultPort: 8233,
    name: 'Temporal Web UI',
  },
  http: {
    option: 'http-port',
    variable: 'SELF_TAUGHT_EVALUATOR_HTTP_PORT',
    /** Off unless it is asked for. */
    defaultPort: undefined,
    name: 'Temporal HTTP API',
  },
} as const;
