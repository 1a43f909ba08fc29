/** Checks an endpoint before a run uses it: in the preflight, and when a server has been started. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createInferenceClient } from './client.ts';
import type { ConnectionGuard } from './connection-guard.ts';
import { createConnections, listModels } from './connections.ts';
import type { CompletionRequest } from './completion.ts';
import { endpointText } from './endpoint-text.ts';
import { apiKeyOf, type Endpoint, type Environment, redactUrl } from './endpoint.ts';
import { CreditExhausted, EndpointUnavailable, InferenceError } from './errors.ts';
import { classifyFailure } from './classify-failure.ts';
import { MODEL_LIST_TIMEOUT_SECONDS, permanentError, withoutPeriod } from './permanent-error.ts';
import { CANARY } from './send-with-retry.ts';

/** The parameters of requests that will be sent, all of which the endpoint must take. */
export type ProbedRequest = Pick<CompletionRequest, 'sampling' | 'samples' | 'topLogprobs'>;

export interface ProbeOptions {
  environment: Environment;
  /** Says which endpoints may be asked, with which keys; without it all. */
  guard?: ConnectionGuard | undefined;
  timeoutSeconds: number;
  /** The parameters of the requests that the work will send, if they are known. */
  requests?: readonly ProbedRequest[] | undefined;
}

export interface CheckEndpointsOptions extends ProbeOptions {
  /**
   * True if the model must exist already. Then the probe requests are sent to it. A judge that is not trained yet can't
   * exist, so only the endpoint and the key are checked for it.
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
  const { requests = [ORDINARY] } = options;
  const error = await probeEndpoint(endpoint, { ...options, requests });
  return error === undefined ? [] : [toEndpointProblem(error)];
}

function toEndpointProblem(error: InferenceError): EndpointProblem {
  return { message: error.message, isTemporary: isTemporary(error) };
}

/** Recognises an error during which another endpoint can take over until a person has acted. */
function isTemporary(error: InferenceError | undefined): boolean {
  return error instanceof EndpointUnavailable || error instanceof CreditExhausted;
}

/**
 * Sends the probe requests to each endpoint of the model. Returns the first error; an endpoint that doesn't answer
 * is no error if another one does.
 */
export async function probeEndpoints(
  endpoints: readonly Endpoint[],
  options: ProbeOptions,
): Promise<InferenceError | undefined> {
  const { requests = [ORDINARY] } = options;
  const errors = await Promise.all(
    endpoints.map((endpoint) => probeEndpoint(endpoint, { ...options, requests })),
  );
  const isOneUp = errors.includes(undefined);
  return errors.find((error) => error !== undefined && !(isOneUp && isTemporary(error)));
}

/** The smallest request, for a server that the run has started. A reasoning model at an endpoint may refuse it. */
const SMALLEST: ProbedRequest = { sampling: { temperature: 0, topP: 1, maxTokens: 1 }, samples: 1 };
/** A request that every endpoint takes, for work of which nothing is known. */
const ORDINARY: ProbedRequest = { sampling: { temperature: 1, topP: 1, maxTokens: 256 }, samples: 1 };
/** How often a request is sent to an endpoint that is busy or has broken off: the work itself would also try again. */
const BUSY_ATTEMPTS = 3;
const MAX_BUSY_PAUSE_SECONDS = 5;

/**
 * Sends the model one harmless request with the parameters of each of the given ones, and so learns which of them the endpoint
 * takes. Returns the first error. Only a busy endpoint is asked again, and not by the smallest request.
 */
export async function probeEndpoint(
  endpoint: Endpoint,
  { environment, guard, timeoutSeconds, requests = [SMALLEST] }: ProbeOptions,
): Promise<InferenceError | undefined> {
  const client = createInferenceClient({
    concurrency: { minimum: 1, maximum: 1 },
    requestTimeoutSeconds: timeoutSeconds,
    retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
    ...{ environment, guard },
  });
  const probe = async (request: ProbedRequest): Promise<InferenceError | undefined> => {
    const { sampling, samples, topLogprobs } = request;
    try {
      await client.complete({
        endpoints: [endpoint],
        messages: CANARY,
        ...{ sampling, topLogprobs },
        samples: Math.min(samples, 2),
        ...(request === SMALLEST ? {} : { seed: 1 }),
      });
      return undefined;
    } catch (error) {
      if (error instanceof InferenceError) return error;
      throw error;
    }
  };
  try {
    for (const request of requests) {
      let error = await probe(request);
      for (let sent = 1; sent < BUSY_ATTEMPTS && request !== SMALLEST && isBusy(error); sent++) {
        await sleep(1000 * Math.min(error.retryAfterSeconds ?? 1, MAX_BUSY_PAUSE_SECONDS));
        error = await probe(request);
      }
      // A whole answer may take longer than a check: then it only matters that the model answers at all.
      if (error instanceof EndpointUnavailable && request !== SMALLEST && error.status === undefined) {
        if ((await probe(SMALLEST)) instanceof EndpointUnavailable) return error;
      } else if (error !== undefined) return error;
    }
    return undefined;
  } finally {
    await client.close();
  }
}

/** Recognises the answer of an endpoint that it can't answer now. */
function isBusy(error: InferenceError | undefined): error is EndpointUnavailable {
  return error instanceof EndpointUnavailable && error.status !== undefined;
}

async function checkModelList(endpoint: Endpoint, options: ProbeOptions): Promise<EndpointProblem[]> {
  const connections = createConnections(1, options.guard);
  let key = '';
  try {
    key = apiKeyOf(endpoint, options.environment);
    await listModels(connections, { endpoint, key }, options.timeoutSeconds);
    return [];
  } catch (error) {
    if (error instanceof InferenceError) return [toEndpointProblem(error)];
    const failure = classifyFailure(error);
    const url = redactUrl(endpoint.baseUrl);
    const text = withoutPeriod(endpointText(error, failure, endpoint, []));
    if (failure.kind === 'model-not-found') {
      const advice = "check that the base URL ends in the API's base path, as a rule /v1";
      return [{ message: `${url} has no list of models: ${advice}.`, isTemporary: false }];
    }
    if (failure.kind === 'unauthorized' || failure.kind === 'unsuitable') {
      const list = () => listModels(connections, { endpoint, key }, MODEL_LIST_TIMEOUT_SECONDS);
      return [toEndpointProblem(await permanentError(endpoint, failure, text, list))];
    }
    return [
      {
        message: `${url} does not return its list of models: ${text}.`,
        isTemporary: failure.kind === 'retry',
      },
    ];
  } finally {
    await connections.close();
  }
}
