/** Serves models by a command that starts a server on a worker's machine. */
import { z } from 'zod';
import type { Problem } from '../../../platform/problem.ts';
import { findProgram } from '../../../platform/programs.ts';
import { environmentVariableName, positiveNumber } from '../../../platform/schema-fields.ts';
import type { Environment } from '../../inference/endpoint.ts';
import {
  defineMachineDriver,
  fixedModelProblems,
  placeholderProblems,
  servedModelNameProblems,
} from './driver.ts';
import { hideKey, keyInSettings } from './server-key.ts';
import { HANG_TIMEOUT_SECONDS, SERVER_PLACEHOLDERS, serverSpec } from './server-spec.ts';

/** The fields of servers that a command starts, wherever it runs. */
export const commandFields = {
  command: z
    .array(z.string().min(1))
    .min(1)
    .describe(
      'Program and arguments; `{python}`, `{checkpoint}`, `{servedModelName}`, `{host}`, `{port}`, `{storeRoot}`, `{packageRoot}` and `{cacheFolder}` are filled in.',
    ),
  servedModelName: z
    .string()
    .min(1)
    .default('{runName}-{iteration}')
    .describe("The model's name at the server; `{runName}`, `{iteration}` and `{checkpoint}` are filled in."),
  healthPath: z
    .string()
    .startsWith('/')
    .default('/health')
    .describe('A path that answers successfully when the model is loaded.'),
  basePath: z.string().startsWith('/').default('/v1').describe('The base path of the OpenAI-compatible API.'),
  startTimeoutSeconds: positiveNumber
    .default(1800)
    .describe('The time that the server may take to load the model.'),
  environment: z
    .record(environmentVariableName, z.string())
    .default({})
    .describe(
      "Environment variables of the server in addition to those that it gets from the worker (docs/operations.md). Don't put keys here.",
    ),
  apiKeyEnv: environmentVariableName
    .describe(
      "The worker's environment variable that contains the server's key, if it asks for one: the server gets it under the same name, and " +
        'every request is sent with it. `VLLM_API_KEY` needs no mention.',
    )
    .optional(),
  hangTimeoutSeconds: positiveNumber
    .default(HANG_TIMEOUT_SECONDS)
    .describe(
      'A server that answers nothing for this time, also not a short request of its own, and shows no progress, is replaced.',
    ),
};

/** A variable for the server's key that the worker doesn't have. */
export function missingKeyProblems(
  path: string,
  { apiKeyEnv }: { readonly apiKeyEnv?: string | undefined },
  environment: Environment,
): Problem[] {
  if (apiKeyEnv === undefined || environment[apiKeyEnv]) return [];
  const message = `names ${apiKeyEnv}, which is not set for the worker with role gpu: set it to the key of the server`;
  return [{ path: `${path}.apiKeyEnv`, message }];
}

const configuration = z
  .strictObject({
    kind: z.literal('command').describe('A worker with the role `gpu` starts the server.'),
    ...commandFields,
    gpus: z
      .int()
      .positive()
      .nullable()
      .default(null)
      .describe(
        "How many of the machine's GPUs the server uses; null: all. No other run uses them meanwhile.",
      ),
    stopWhileTraining: z
      .boolean()
      .nullable()
      .default(null)
      .describe(
        'Stop the servers of the run while it trains, because both need the same GPUs or memory. null: unless `gpus` and ' +
          '`fineTuning.gpus` are given and the machine has as many in all; then a judge is evaluated while the next one is trained.',
      ),
  })
  .describe(
    'A command that serves a checkpoint, such as `vllm serve {checkpoint} --host {host} --port {port}`.',
  );

/** The settings of the driver `command`. */
export type CommandServing = z.output<typeof configuration>;

/** The settings for a command, with the defaults of a configuration. */
export function commandServing(settings: Omit<z.input<typeof configuration>, 'kind'>): CommandServing {
  return configuration.parse({ kind: 'command', ...settings });
}

export const commandDriver = defineMachineDriver({
  configuration,
  noun: 'a command',
  needsMachine: true,
  describe: (settings) => hideKey(settings.command.join(' '), settings),
  problems: () => [],
  trainedJudgeProblems: fixedModelProblems,

  async check({ path, settings, environment, python }) {
    const { command } = settings;
    const unknown = [
      ...command.flatMap((argument, index) =>
        placeholderProblems(`${path}.command.${index}`, argument, SERVER_PLACEHOLDERS),
      ),
      ...servedModelNameProblems(path, settings),
      ...missingKeyProblems(path, settings, environment),
    ];
    if (unknown.length > 0) return unknown;
    const program = (command[0] === '{python}' ? python : command[0]) ?? 'python3';
    if (findProgram(program, environment['PATH'] ?? '') !== undefined) return [];
    const where = program.includes('/') ? '' : ' on the PATH of the worker with role gpu';
    const message = `no program ${program}${where}: install it, or name it by its absolute path`;
    return [{ path: `${path}.command.0`, message }];
  },

  server: (settings, values) => serverSpec(settings, values),
  usesPython: ({ command }) => command.some((argument) => argument.includes('{python}')),
  key: keyInSettings,
  gpus: ({ gpus }) => gpus,
  stopsWhileTraining: ({ stopWhileTraining }) => stopWhileTraining,
});
