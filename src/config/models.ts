/** The models of a run, and how they are served. */
import { z } from 'zod';
import { environmentName, positive } from './fields.ts';

const address = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }).meta({
  pattern: '^https?://',
});

const endpointServing = z
  .strictObject({
    kind: z.literal('endpoint').describe('Somebody else serves the model at an OpenAI-compatible endpoint.'),
    baseUrl: z
      .union([address, z.array(address).min(1)], {
        error: 'expected an http or https URL, or a list of them',
      })
      .describe(
        'The address of the endpoint, for example `http://gpu-box:8000/v1`; or a list of addresses that serve the same ' +
          'model under the same name: the load is spread over them, and one that is down is left out.',
      ),
    servedName: z
      .string()
      .min(1)
      .describe(
        "The model's name at the endpoint; `{runName}`, `{iteration}` and `{checkpoint}` are filled in.",
      ),
    apiKeyVariable: z
      .union([environmentName, z.array(environmentName).min(1)], {
        error: 'expected the name of an environment variable, or a list of them',
      })
      .describe(
        'The environment variable that holds the key, read by the worker; or a list, one for each address in its order.',
      )
      .optional(),
  })
  .describe('An endpoint that is there already.');

const commandServing = z
  .strictObject({
    kind: z.literal('command').describe('A worker with the role `gpu` starts the server.'),
    command: z
      .array(z.string().min(1))
      .min(1)
      .describe(
        'Program and arguments; `{python}`, `{checkpoint}`, `{servedName}`, `{port}`, `{storeRoot}`, `{packageRoot}` and `{cacheFolder}` are filled in.',
      ),
    servedName: z
      .string()
      .min(1)
      .default('{runName}-{iteration}')
      .describe(
        "The model's name at the server; `{runName}`, `{iteration}` and `{checkpoint}` are filled in.",
      ),
    host: z.string().min(1).default('127.0.0.1').describe('Where other workers reach the server.'),
    healthPath: z
      .string()
      .startsWith('/')
      .default('/health')
      .describe('Answers with success once the model is loaded.'),
    basePath: z.string().startsWith('/').default('/v1').describe('Where the OpenAI-compatible API begins.'),
    startTimeoutSeconds: positive.default(1800).describe('How long the server may take to load the model.'),
    environment: z
      .record(environmentName, z.string())
      .default({})
      .describe("Environment variables of the server beside the worker's own. No place for keys."),
    stopWhileTraining: z
      .boolean()
      .default(true)
      .describe(
        'Stop the servers of the run while it trains, because both need the same GPUs or the same memory.',
      ),
  })
  .describe('A command that serves a checkpoint, such as `vllm serve {checkpoint} --port {port}`.');

export const serving = z.discriminatedUnion('kind', [endpointServing, commandServing]);

export const model = z.strictObject({
  checkpoint: z
    .string()
    .min(1)
    .describe('A folder in Hugging Face layout, or an id of the Hugging Face hub.'),
  serving: serving
    .describe("How this model is served where that differs from the run's `serving`.")
    .optional(),
});

export const models = z.strictObject({
  seed: model.describe('M_0: judged first, and the start of fine-tuning.'),
  generator: model.describe('Writes categories and response pairs; the seed model by default.').optional(),
  firstJudge: model.describe("Gives the first round's judgments; the seed model by default.").optional(),
});
