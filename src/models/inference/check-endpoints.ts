/** Checks an endpoint before a run uses it: in the preflight, and when a server has been started. */
import { createInferenceClient } from './client.ts';
import { createConnections, listModels } from './connections.ts';
import { apiKeyOf, type Endpoint, type Environment, redactText, redactUrl } from './endpoint.ts';
import { EndpointUnavailable, InferenceError } from './errors.ts';
import { classifyFailure } from './classify-failure.ts';

export interface ProbeOptions {
  environment: Environment;
  timeoutSeconds: number;
}

export interface CheckEndpointsOptions extends ProbeOptions {
  /**
   * Whether the model must exist already. Then one request for one token is sent to it. A judge that is not trained yet
   * can't exist, so only the endpoint and the key are checked for it.
   */
  expectModel: boolean;
}

/**
 * Returns the problems of the endpoints that serve a model, one sentence each, with what to do. An endpoint that doesn't
 * answer is no problem if another one does: it gets no requests until it is back.
 */
export async function checkEndpoints(
  endpoints: readonly Endpoint[],
  options: CheckEndpointsOptions,
): Promise<string[]> {
  const found = await Promise.all(endpoints.map((endpoint) => checkEndpoint(endpoint, options)));
  const isOneUp = found.some((problems) => problems.length === 0);
  return found
    .flat()
    .filter(({ isTemporary: isDown }) => !(isDown && isOneUp))
    .map(({ message }) => message);
}

interface EndpointProblem {
  readonly message: string;
  /** Whether the problem may disappear by itself. */
  readonly isTemporary: boolean;
}

async function checkEndpoint(endpoint: Endpoint, options: CheckEndpointsOptions): Promise<EndpointProblem[]> {
  if (!URL.canParse(endpoint.baseUrl))
    return [{ message: `${redactUrl(endpoint.baseUrl)} is not a URL.`, isTemporary: false }];
  if (!options.expectModel) return checkModelList(endpoint, options);
  const error = await probeEndpoint(endpoint, options);
  return error === undefined ? [] : [toEndpointProblem(error)];
}

function toEndpointProblem(error: InferenceError): EndpointProblem {
  return { message: error.message, isTemporary: error instanceof EndpointUnavailable };
}

/**
 * Sends a request for one token to each endpoint of the model. Returns the first error; an endpoint that doesn't answer
 * is no error if another one does.
 */
export async function probeEndpoints(
  endpoints: readonly Endpoint[],
  options: ProbeOptions,
): Promise<InferenceError | undefined> {
  const errors = await Promise.all(endpoints.map((endpoint) => probeEndpoint(endpoint, options)));
  const isOneUp = errors.includes(undefined);
  return errors.find((error) => error !== undefined && !(isOneUp && error instanceof EndpointUnavailable));
}

/** Sends the model one request for one token, without retries. Returns its error, if it fails. */
export async function probeEndpoint(
  endpoint: Endpoint,
  options: ProbeOptions,
): Promise<InferenceError | undefined> {
  const client = createInferenceClient({
    concurrency: { minimum: 1, maximum: 1 },
    requestTimeoutSeconds: options.timeoutSeconds,
    retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
    environment: options.environment,
  });
  try {
    await client.complete({
      endpoints: [endpoint],
      messages: [{ role: 'user', content: 'Hello' }],
      sampling: { temperature: 0, topP: 1, maxTokens: 1 },
      samples: 1,
    });
    return undefined;
  } catch (error) {
    if (error instanceof InferenceError) return error;
    throw error;
  } finally {
    await client.close();
  }
}

async function checkModelList(endpoint: Endpoint, options: ProbeOptions): Promise<EndpointProblem[]> {
  const connections = createConnections(1);
  let key = '';
  try {
    key = apiKeyOf(endpoint, options.environment);
    await listModels(connections.clientFor(endpoint, key), options.timeoutSeconds);
    return [];
  } catch (error) {
    if (error instanceof InferenceError) return [toEndpointProblem(error)];
    const failure = classifyFailure(error);
    const isDown = failure.kind === 'retry';
    const url = redactUrl(endpoint.baseUrl);
    if (failure.kind === 'model-not-found') {
      const advice = "check that the base URL ends in the API's base path, as a rule /v1";
      return [{ message: `${url} has no list of models: ${advice}.`, isTemporary: isDown }];
    }
    return [
      {
        message: `${url} does not return its list of models: ${redactText(failure.message, key)}.`,
        isTemporary: isDown,
      },
    ];
  } finally {
    await connections.close();
  }
}
