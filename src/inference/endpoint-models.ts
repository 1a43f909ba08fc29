/** Looking at an endpoint before work is given to it: preflight, and the readiness of a server that was started. */
import { createInferenceClient } from './client.ts';
import { createConnections, listModels } from './connections.ts';
import { apiKeyOf, type Endpoint, type Environment, shownText, shownUrl } from './endpoint.ts';
import { EndpointUnavailable, InferenceError } from './errors.ts';
import { classifyFailure } from './failures.ts';

export interface AskOptions {
  environment: Environment;
  timeoutSeconds: number;
}

export interface CheckOptions extends AskOptions {
  /**
   * Whether the model must be there by now: then one request of one token is sent to it. A judge that is yet to be
   * trained can't be, so for that only the endpoint and the key are tried.
   */
  expectModel: boolean;
}

/**
 * What is wrong with the endpoints that serve a model, one sentence each, with what to do; empty where nothing is. One
 * that doesn't answer is nothing wrong where another one does: it is left out until it is back.
 */
export async function checkEndpoints(
  endpoints: readonly Endpoint[],
  options: CheckOptions,
): Promise<string[]> {
  const found = await Promise.all(endpoints.map((endpoint) => checkEndpoint(endpoint, options)));
  const isOneUp = found.some((problems) => problems.length === 0);
  return found
    .flat()
    .filter(({ isDown }) => !(isDown && isOneUp))
    .map(({ message }) => message);
}

interface EndpointProblem {
  readonly message: string;
  /** It may go away by itself. */
  readonly isDown: boolean;
}

async function checkEndpoint(endpoint: Endpoint, options: CheckOptions): Promise<EndpointProblem[]> {
  if (!URL.canParse(endpoint.baseUrl))
    return [{ message: `${shownUrl(endpoint.baseUrl)} is no URL.`, isDown: false }];
  if (!options.expectModel) return askForModels(endpoint, options);
  const error = await askOneToken(endpoint, options);
  return error === undefined ? [] : [problemOf(error)];
}

function problemOf(error: InferenceError): EndpointProblem {
  return { message: error.message, isDown: error instanceof EndpointUnavailable };
}

/**
 * Sends the model one request of one token to each of its endpoints. Returns what went wrong, if anything did; one that
 * doesn't answer is nothing wrong where another one does.
 */
export async function askEach(
  endpoints: readonly Endpoint[],
  options: AskOptions,
): Promise<InferenceError | undefined> {
  const errors = await Promise.all(endpoints.map((endpoint) => askOneToken(endpoint, options)));
  const isOneUp = errors.includes(undefined);
  return errors.find((error) => error !== undefined && !(isOneUp && error instanceof EndpointUnavailable));
}

/** Sends the model one request of one token, once; returns what went wrong, if anything did. */
export async function askOneToken(
  endpoint: Endpoint,
  options: AskOptions,
): Promise<InferenceError | undefined> {
  const client = createInferenceClient({
    inFlight: { minimum: 1, maximum: 1 },
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

async function askForModels(endpoint: Endpoint, options: AskOptions): Promise<EndpointProblem[]> {
  const connections = createConnections(1);
  let key = '';
  try {
    key = apiKeyOf(endpoint, options.environment);
    await listModels(connections.to(endpoint, key), options.timeoutSeconds);
    return [];
  } catch (error) {
    if (error instanceof InferenceError) return [problemOf(error)];
    const failure = classifyFailure(error);
    const isDown = failure.kind === 'retry';
    const url = shownUrl(endpoint.baseUrl);
    if (failure.kind === 'model-not-found') {
      const advice = "check that the base URL ends in the API's base path, as a rule /v1";
      return [{ message: `${url} has no list of models: ${advice}.`, isDown }];
    }
    return [{ message: `${url} can't be asked for its models: ${shownText(failure.text, key)}.`, isDown }];
  } finally {
    await connections.close();
  }
}
