/** Uses an OpenAI-compatible endpoint at which somebody else serves the model. */
import { z } from 'zod';
import type { Problem } from '../../../platform/problem.ts';
import { environmentVariableName } from '../../../platform/schema-fields.ts';
import { checkEndpoints } from '../../inference/check-endpoints.ts';
import { endpointsOf, redactUrl } from '../../inference/endpoint.ts';
import {
  defineEndpointDriver,
  namesEachJudge,
  servedModelNameOf,
  servedModelNameProblems,
} from './driver.ts';

const address = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }).meta({
  pattern: '^https?://',
});

const configuration = z
  .strictObject({
    kind: z.literal('endpoint').describe('Somebody else serves the model at an OpenAI-compatible endpoint.'),
    baseUrl: z
      .union([address, z.array(address).min(1)], {
        error: 'expected an http or https URL, or a list of them',
      })
      .describe(
        'The address of the endpoint, for example `http://gpu-box:8000/v1`; or a list of addresses that serve the same ' +
          'model under the same name: the load is spread over them, and an endpoint that is down gets no requests.',
      ),
    servedModelName: z
      .string()
      .min(1)
      .describe(
        "The model's name at the endpoint; `{runName}`, `{iteration}` and `{checkpoint}` are filled in.",
      ),
    apiKeyEnv: z
      .union([environmentVariableName, z.array(environmentVariableName).min(1)], {
        error: 'expected the name of an environment variable, or a list of them',
      })
      .describe(
        'The environment variable of the worker that contains the key; or a list with one variable for each address.',
      )
      .optional(),
    apiKeyHeader: z
      .string()
      .regex(/^[A-Za-z][\w-]*$/, { error: 'expected the name of a header' })
      .describe(
        'The header that carries the key, such as `api-key` or `x-api-key`. By default `Authorization` with a bearer token; for Azure `api-key`.',
      )
      .optional(),
  })
  .describe('An endpoint that exists already.');

/** The settings of the driver `endpoint`. */
export type EndpointServing = z.output<typeof configuration>;

/** The settings for an endpoint. */
export function endpointServing(settings: Omit<EndpointServing, 'kind'>): EndpointServing {
  return { kind: 'endpoint', ...settings };
}

export const endpointDriver = defineEndpointDriver({
  configuration,
  noun: 'an endpoint',
  needsMachine: false,
  describe: ({ baseUrl }) => [baseUrl].flat().map(redactUrl).join(', '),

  /** Addresses that occur twice, and a list of keys that is shorter or longer than the list of addresses. */
  problems(path, { baseUrl, apiKeyEnv }) {
    const addresses = [baseUrl].flat();
    const problems: Problem[] = addresses.flatMap((url, index) => {
      const first = addresses.indexOf(url);
      if (first === index) return [];
      return [
        { path: `${path}.baseUrl.${index}`, message: `found the address of ${path}.baseUrl.${first} again` },
      ];
    });
    if (typeof apiKeyEnv === 'object' && apiKeyEnv.length !== addresses.length) {
      const message = `found ${apiKeyEnv.length} for ${addresses.length} addresses: give one name for all, or one for each`;
      problems.push({ path: `${path}.apiKeyEnv`, message });
    }
    return problems;
  },

  trainedJudgeProblems(path, settings) {
    if (namesEachJudge(settings)) return [];
    const message =
      `found ${JSON.stringify(settings.servedModelName)}, without {iteration} or {checkpoint}: the endpoint would answer with the same model ` +
      'for the seed model and for every judge that the run trains, and all would get its figures. Write a name such as ' +
      '"judge-{iteration}" and serve each new judge under its name, or let the run start the servers (kind: command)';
    return [{ path: `${path}.servedModelName`, message }];
  },

  async check({ path, settings, checkpoint, runName, environment, guard, requests }) {
    const unknown = servedModelNameProblems(path, settings);
    if (unknown.length > 0) return unknown;
    const model = servedModelNameOf(settings, { runName, iteration: 0, checkpoint });
    const problems = await checkEndpoints(endpointsOf(settings, model), {
      ...{ environment, guard },
      timeoutSeconds: 30,
      expectModel: true,
      requests,
    });
    return problems.map((message) => ({ path, message }));
  },

  addresses: ({ baseUrl, apiKeyEnv, apiKeyHeader }) => ({
    baseUrl,
    ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }),
    ...(apiKeyHeader === undefined ? {} : { apiKeyHeader }),
  }),
});
