/** Sends one request, with its waits in the queue and its retries. */
import { quantity } from '../../platform/quantity.ts';
import { retryDelaySeconds, type RetryPolicy, type WaitFunction } from './backoff.ts';
import { type ChatAnswer, InvalidAnswer, readChatAnswer } from './chat-answer.ts';
import type { CompletionRequest, SendReason } from './completion.ts';
import type { Clock } from './clock.ts';
import { type Connections, type Destination, listModels } from './connections.ts';
import { endpointText } from './endpoint-text.ts';
import { profileOf } from './endpoint-profile.ts';
import { apiKeyOf, type Endpoint, type Environment, redactText, redactUrl } from './endpoint.ts';
import { HttpFailure } from './http-failure.ts';
import { CreditExhausted, EndpointUnavailable, InferenceError } from './errors.ts';
import { type ChatBody, chatBody } from './request-form.ts';
import { sendInKnownForm } from './send-in-form.ts';
import { classifyFailure, type Failure } from './classify-failure.ts';
import { MODEL_LIST_TIMEOUT_SECONDS, permanentError, withoutPeriod } from './permanent-error.ts';
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
  readonly onUnquoted?: ((line: string) => void) | undefined;
  endpointStateOf(baseUrl: string): EndpointState;
}

export type AnswerWithAttempts = ChatAnswer & { attempts: number };

/** A 500 that comes so often may refuse a parameter. */
const DOUBTED_SERVER_ERRORS = 3;
/** The most characters of an unexpected answer in a line of the log. */
const MAX_LOGGED_CHARACTERS = 2000;
/** Tells whether a key is refused, or only a prompt. */
export const CANARY: CompletionRequest['messages'] = [{ role: 'user', content: 'Hello' }];
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
    return { endpoint, key: apiKeyOf(endpoint, context.environment) };
  });
  const endpointStates = routes.map(({ endpoint }) => context.endpointStateOf(endpoint.baseUrl));
  let failed: EndpointState | undefined;
  let firstFailedAt: number | undefined;
  let attempts = 0;

  for (let attempt = 1; ; attempt++) {
    const permit = await context.scheduler.acquire({
      endpointStates: endpointStates,
      onUnavailable,
      samples: request.samples,
      avoid: failed,
      signal: stopSending,
    });
    await admitOrRelease(request, permit, attempt === 1 ? 'first' : 'again');
    const { endpoint, key } = routes[endpointStates.indexOf(permit.endpointState)]!;
    const observed = observe(endpoint);
    const isDoubted = attempt >= Math.min(DOUBTED_SERVER_ERRORS, context.retry.attempts);
    const result = await sendRequest(context, permit, { endpoint, key, observed, isDoubted }, request);
    attempts += result.attempts;
    if ('answer' in result) return { ...result.answer, attempts };

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
    const isPassing = reason === 'rate-limit' || reason === 'no-credit';
    const mayWait =
      onUnavailable === 'wait' && (isPassing || !hasAnsweredOthers(endpointStates, firstFailedAt));
    // Nothing but a payment helps, which another attempt of the same command comes too early for.
    const isUseless = reason === 'no-credit' && endpoints.length === 1;
    if (tooLong || ((attempt >= context.retry.attempts || isUseless) && !mayWait)) {
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

interface Route extends Destination {
  readonly observed: RequestObservation;
  /** Whether a 500 may be the refusal of a parameter. */
  readonly isDoubted: boolean;
}

type Retryable = Extract<Failure, { kind: 'retry' }>;
type SendResult = { readonly attempts: number } & (
  { readonly answer: ChatAnswer } | { readonly failure: Retryable; readonly text: string }
);

/**
 * Sends the request once, and again if the endpoint must first be asked which parameters it takes, or whom it refuses. Releases
 * the permit, unless it failed in a way that another attempt may fix.
 */
async function sendRequest(
  context: RequestContext,
  permit: Permit,
  route: Route,
  request: CompletionRequest,
): Promise<SendResult> {
  const { endpoint, observed, isDoubted } = route;
  const { signal } = request;
  const { counts } = permit.endpointState;
  const profile = profileOf(endpoint);
  const usage = { promptTokens: 0, completionTokens: 0 };
  let attempts = 0;
  let sentAt = performance.now();
  let denial: { readonly error: unknown } | undefined;
  const send = async (body: ChatBody): Promise<ChatAnswer> => {
    if (attempts > 0)
      await request.admit?.('again').catch((error: unknown) => {
        denial = { error };
        throw error;
      });
    attempts += 1;
    counts.attempts++;
    observed.sent(endpoint);
    sentAt = performance.now();
    const answer = readChatAnswer(
      await withTimeout(context.requestTimeoutSeconds, signal, (bounded) =>
        context.connections.send(route, '/chat/completions', body, bounded),
      ),
    );
    for (const counted of [counts, usage]) {
      counted.promptTokens += answer.usage.promptTokens;
      counted.completionTokens += answer.usage.completionTokens;
    }
    return answer;
  };
  try {
    const sending = { profile, model: endpoint.model, request, send, doubtsServerErrors: isDoubted };
    const answer = { ...(await sendInKnownForm(sending)), usage };
    permit.release({ kind: 'answered' });
    observed.answered(answer, (performance.now() - sentAt) / 1000);
    return { answer, attempts };
  } catch (error) {
    // It was refused before it was sent.
    if (error instanceof InferenceError) permit.release({ kind: 'aborted' });
    if (error instanceof InferenceError) throw error;
    let failure = classifyFailure(error);
    if (failure.kind === 'forbidden')
      failure = await decideForbidden(failure, request, (canary) =>
        send(chatBody(endpoint.model, canary, profile.refused)),
      );
    if (signal?.aborted === true || denial !== undefined) permit.release({ kind: 'aborted' });
    signal?.throwIfAborted();
    if (denial !== undefined) throw denial.error;
    const text = endpointText(error, failure, endpoint, request.messages);
    if ((error instanceof HttpFailure || error instanceof InvalidAnswer) && error.unquoted !== undefined)
      context.onUnquoted?.(
        `${redactUrl(endpoint.baseUrl)}: ${text}. It says: ${redactText(error.unquoted, MAX_LOGGED_CHARACTERS)}`,
      );
    if (failure.kind === 'retry') return { failure, text, attempts };
    permit.release({ kind: 'answered' });
    const list = () => listModels(context.connections, route, MODEL_LIST_TIMEOUT_SECONDS);
    throw await permanentError(endpoint, failure, text, list);
  }
}

/**
 * Decides whether a request was refused for its key or for its prompt, by sending a harmless one: gateways and their moderation
 * answer both with 403.
 */
async function decideForbidden(
  failure: Failure,
  request: CompletionRequest,
  send: (canary: CompletionRequest) => Promise<ChatAnswer>,
): Promise<Failure> {
  const { message, status, requestId } = failure;
  const unauthorized = { kind: 'unauthorized', message, status, requestId } as const;
  if (request.messages === CANARY) return unauthorized;
  try {
    await send({ ...request, messages: CANARY, samples: 1 });
  } catch (error) {
    const other = classifyFailure(error);
    if (other.kind === 'forbidden') return unauthorized;
    if (other.kind !== 'rejected') return other;
  }
  return { kind: 'rejected', reason: 'content-filter', message, status, requestId };
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
): EndpointUnavailable | CreditExhausted {
  const { attempt, failure, tooLong } = about;
  const text = withoutPeriod(about.text);
  const { reason, status, requestId, retryAfterSeconds } = failure;
  const endpoint = redactUrl(baseUrl);
  if (reason === 'no-credit') {
    const said = text.replace(/[.!]+$/, '');
    return new CreditExhausted(
      `The account has no credit or quota left at ${endpoint}: ${said}. Add credit, or use another key.`,
      { endpoint, status, requestId },
    );
  }
  return new EndpointUnavailable(
    `${endpoint} gave no usable answer for model ${model} in ${quantity(attempt, 'attempt')}; ` +
      `the last one: ${reason}: ${text}. ` +
      (tooLong
        ? `It asks for no request within ${Math.ceil(retryAfterSeconds ?? 0)} s (Retry-After).`
        : 'Check that it is up, reachable from here and not overloaded.'),
    { endpoint, attempts: attempt, status, requestId, retryAfterSeconds },
  );
}
