/** Sends one request, with its waits in the queue and its retries. */
import type OpenAI from 'openai';
import { retryDelaySeconds, type RetryPolicy, type WaitFunction } from './backoff.ts';
import { type ChatAnswer, readChatAnswer } from './chat-answer.ts';
import type { CompletionRequest, SendReason } from './completion.ts';
import type { Clock } from './clock.ts';
import { type Connections, listModels } from './connections.ts';
import { apiKeyOf, type Endpoint, type Environment, redactText, redactUrl } from './endpoint.ts';
import { EndpointUnavailable, InferenceError } from './errors.ts';
import { classifyFailure, type Failure } from './classify-failure.ts';
import { permanentError, MODEL_LIST_TIMEOUT_SECONDS } from './permanent-error.ts';
import type { EndpointState } from './endpoint-state.ts';
import type { RequestObservation, RequestObserver } from './request-observer.ts';
import { withTimeout } from './timeout.ts';
import type { Permit, RequestScheduler } from './request-scheduler.ts';

/** Everything that sending a request needs. */
export interface RequestContext {
  readonly environment: Environment;
  /** The time limit of one attempt, until its whole answer is read. */
  readonly requestTimeoutSeconds: number;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly wait: WaitFunction;
  readonly random: () => number;
  readonly connections: Connections;
  readonly scheduler: RequestScheduler;
  readonly observer: RequestObserver;
  endpointStateOf(baseUrl: string): EndpointState;
}

export type AnswerWithAttempts = ChatAnswer & { attempts: number };

/** If an endpoint asks for a longer pause, the request fails, so that the caller can come back after it. */
const MAX_RETRY_AFTER_WAIT_SECONDS = 300;
/** The longest pause of an endpoint when another one serves the same model: the endpoint may have sent a wrong date. */
const MAX_SHARED_RETRY_AFTER_SECONDS = 3600;

/** Sends a request until there is an answer. Throws what `InferenceClient.complete` documents. */
export async function sendWithRetry(
  context: RequestContext,
  request: CompletionRequest,
): Promise<AnswerWithAttempts> {
  const [{ baseUrl }] = request.endpoints;
  let observed: RequestObservation | undefined;
  const observe = (endpoint: Endpoint): RequestObservation =>
    (observed ??= context.observer.begin({ ...request, endpoint }));
  try {
    return await retryUntilAnswered(context, request, observe);
  } catch (error) {
    if (error instanceof InferenceError) {
      context.endpointStateOf(baseUrl).counts.failures++;
      observe(request.endpoints[0]);
    }
    observed?.failed(error);
    throw error;
  }
}

async function retryUntilAnswered(
  context: RequestContext,
  request: CompletionRequest,
  observe: (endpoint: Endpoint) => RequestObservation,
): Promise<AnswerWithAttempts> {
  const { endpoints, onUnavailable = 'fail', signal, stopSending = signal } = request;
  const routes = endpoints.map((endpoint) => {
    const key = apiKeyOf(endpoint, context.environment);
    return { endpoint, key, openai: context.connections.clientFor(endpoint, key) };
  });
  const endpointStates = routes.map(({ endpoint }) => context.endpointStateOf(endpoint.baseUrl));
  let failed: EndpointState | undefined;
  let firstFailedAt: number | undefined;

  for (let attempt = 1; ; attempt++) {
    const permit = await context.scheduler.acquire({
      endpointStates: endpointStates,
      onUnavailable,
      avoid: failed,
      signal: stopSending,
    });
    await admitOrRelease(request, permit, attempt === 1 ? 'first' : 'again');
    const { endpoint, key, openai } = routes[endpointStates.indexOf(permit.endpointState)]!;
    const observed = observe(endpoint);
    const result = await sendRequest(context, permit, { openai, endpoint, key, observed }, request);
    if ('answer' in result) return { ...result.answer, attempts: attempt };

    const { failure, text } = result;
    const { reason } = failure;
    const retryAfterSeconds = cappedRetryAfter(failure, endpoints.length);
    const tooLong = (retryAfterSeconds ?? 0) > MAX_RETRY_AFTER_WAIT_SECONDS && endpoints.length === 1;
    permit.release({
      kind: 'failed',
      reason,
      text: `${reason}: ${text}`,
      retryAfterSeconds: tooLong ? undefined : retryAfterSeconds,
    });
    firstFailedAt ??= context.clock.now();
    const mayWait =
      onUnavailable === 'wait' &&
      (reason === 'rate-limit' || !hasAnsweredOthers(endpointStates, firstFailedAt));
    if (tooLong || (attempt >= context.retry.attempts && !mayWait)) {
      const error = unavailableError(endpoint, { attempt, failure, text, tooLong });
      // Waiting requests would get the same answer.
      if (tooLong) context.scheduler.fail(permit.endpointState, error);
      throw error;
    }
    permit.endpointState.counts.retries[reason] = (permit.endpointState.counts.retries[reason] ?? 0) + 1;
    observed.retried(reason);
    failed = permit.endpointState;
    // Another endpoint can be tried before the pause of this one has ended.
    const requestedDelay = endpoints.length === 1 ? retryAfterSeconds : undefined;
    await context.wait(
      retryDelaySeconds(context.retry, attempt, requestedDelay, context.random),
      stopSending,
    );
  }
}

/** Asks `admit` before a request is sent, and releases the permit if it refuses. */
async function admitOrRelease(
  { admit }: CompletionRequest,
  permit: Permit,
  sending: SendReason,
): Promise<void> {
  try {
    await admit?.(sending);
  } catch (error) {
    permit.release({ kind: 'aborted' });
    throw error;
  }
}

interface Route {
  readonly openai: OpenAI;
  readonly endpoint: Endpoint;
  readonly key: string;
  readonly observed: RequestObservation;
}

type Retryable = Extract<Failure, { kind: 'retry' }>;

/** Sends the request once. Releases the permit, unless it failed in a way that another attempt may fix. */
async function sendRequest(
  { requestTimeoutSeconds }: RequestContext,
  permit: Permit,
  { openai, endpoint, key, observed }: Route,
  request: CompletionRequest,
): Promise<{ answer: ChatAnswer } | { failure: Retryable; text: string }> {
  const { signal, samples } = request;
  const { counts } = permit.endpointState;
  counts.attempts++;
  observed.sent(endpoint);
  const sentAt = performance.now();
  const answered = (answer: ChatAnswer): { answer: ChatAnswer } => {
    permit.release({ kind: 'answered' });
    observed.answered(answer, (performance.now() - sentAt) / 1000);
    return { answer };
  };
  try {
    const answer = await withTimeout(requestTimeoutSeconds, signal, (bounded) =>
      postChatCompletion(openai, endpoint.model, request, bounded),
    );
    counts.promptTokens += answer.usage.promptTokens;
    counts.completionTokens += answer.usage.completionTokens;
    return answered(answer);
  } catch (error) {
    if (signal?.aborted === true) permit.release({ kind: 'aborted' });
    signal?.throwIfAborted();
    const failure = classifyFailure(error);
    const text = redactText(failure.message, key);
    if (failure.kind === 'retry') return { failure, text };
    if (failure.kind === 'samples-unsupported' && samples > 1) {
      return answered({ choices: [], usage: { promptTokens: 0, completionTokens: 0 } });
    }
    permit.release({ kind: 'answered' });
    const list = () => listModels(openai, MODEL_LIST_TIMEOUT_SECONDS);
    throw await permanentError(endpoint, failure, text, list);
  }
}

async function postChatCompletion(
  openai: OpenAI,
  model: string,
  { messages, sampling, samples, seed }: CompletionRequest,
  signal: AbortSignal,
): Promise<ChatAnswer> {
  const body = await openai.chat.completions.create(
    {
      model,
      messages,
      temperature: sampling.temperature,
      top_p: sampling.topP,
      max_tokens: sampling.maxTokens,
      ...(samples === 1 ? {} : { n: samples }),
      ...(seed === undefined ? {} : { seed }),
    },
    { signal },
  );
  return readChatAnswer(body);
}

/** Whether the endpoints answered other requests while this one failed, so that they are not down. */
function hasAnsweredOthers(endpointStates: readonly EndpointState[], since: number): boolean {
  return endpointStates.some(({ answeredAt, outage }) => outage === undefined && answeredAt > since);
}

function cappedRetryAfter({ retryAfterSeconds }: Retryable, endpoints: number): number | undefined {
  if (retryAfterSeconds === undefined || endpoints === 1) return retryAfterSeconds;
  return Math.min(retryAfterSeconds, MAX_SHARED_RETRY_AFTER_SECONDS);
}

function unavailableError(
  { baseUrl, model }: Endpoint,
  about: { attempt: number; failure: Retryable; text: string; tooLong: boolean },
): EndpointUnavailable {
  const { attempt, failure, text, tooLong } = about;
  const { reason, status, requestId, retryAfterSeconds } = failure;
  const endpoint = redactUrl(baseUrl);
  return new EndpointUnavailable(
    `${endpoint} gave no usable answer for model ${model} in ${attempt} ` +
      `attempt${attempt === 1 ? '' : 's'}; the last one: ${reason}: ${text}. ` +
      (tooLong
        ? `It asks for no request within ${Math.ceil(retryAfterSeconds ?? 0)} s (Retry-After).`
        : 'Check that it is up, reachable from here and not overloaded.'),
    { endpoint, attempts: attempt, status, requestId, retryAfterSeconds },
  );
}
