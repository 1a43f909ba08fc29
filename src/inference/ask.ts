/** One request with its turns and its retries. */
import type OpenAI from 'openai';
import { secondsBeforeRetry, type Wait } from './backoff.ts';
import { type ChatAnswer, readChatAnswer } from './chat-answer.ts';
import type { CompletionRequest, InferenceClientOptions, Sending } from './client.ts';
import type { Clock } from './clock.ts';
import { type Connections, listModels } from './connections.ts';
import { apiKeyOf, type Endpoint, keyAdvice, shownText, shownUrl } from './endpoint.ts';
import { EndpointUnavailable, InferenceError } from './errors.ts';
import type { Failure } from './failure.ts';
import { classifyFailure } from './failures.ts';
import { finalError, listingTimeoutSeconds } from './final-error.ts';
import type { Lane } from './lane.ts';
import type { ObservedRequest, RequestObserver } from './request-observer.ts';
import { withTimeout } from './timeout.ts';
import type { Turn, Turns } from './turns.ts';

/** What asking takes. */
export interface Asking extends Pick<
  InferenceClientOptions,
  'environment' | 'requestTimeoutSeconds' | 'retry'
> {
  readonly clock: Clock;
  readonly wait: Wait;
  readonly random: () => number;
  readonly connections: Connections;
  readonly turns: Turns;
  readonly observer: RequestObserver;
  laneOf(baseUrl: string): Lane;
}

export type Answered = ChatAnswer & { attempts: number };

/** An endpoint that asks for a longer silence than this is given up, so that the caller can come back after it. */
const LONGEST_RETRY_AFTER_SECONDS = 300;
/** Where another one serves the same, it is left alone for so long at most: it may have named a wrong date. */
const LONGEST_SILENCE_SECONDS = 3600;

/** Asks until there is an answer. Throws what `InferenceClient.complete` says. */
export async function answerOf(asking: Asking, request: CompletionRequest): Promise<Answered> {
  const [{ baseUrl }] = request.endpoints;
  let observed: ObservedRequest | undefined;
  const observe = (endpoint: Endpoint): ObservedRequest =>
    (observed ??= asking.observer.begin({ ...request, endpoint }));
  try {
    return await askUntilAnswered(asking, request, observe);
  } catch (error) {
    if (error instanceof InferenceError) {
      asking.laneOf(baseUrl).counts.failures++;
      observe(request.endpoints[0]);
    }
    observed?.failed(error);
    throw error;
  }
}

async function askUntilAnswered(
  asking: Asking,
  request: CompletionRequest,
  observe: (endpoint: Endpoint) => ObservedRequest,
): Promise<Answered> {
  const { endpoints, whenDown = 'fail', signal } = request;
  const ways = endpoints.map((endpoint) => {
    const key = apiKeyOf(endpoint, asking.environment);
    return { endpoint, key, openai: asking.connections.to(endpoint, key) };
  });
  const lanes = ways.map(({ endpoint }) => asking.laneOf(endpoint.baseUrl));
  let failed: Lane | undefined;
  let firstFailedAt: number | undefined;

  for (let attempt = 1; ; attempt++) {
    const turn = await asking.turns.take({ lanes, whenDown, avoid: failed, signal });
    await admitted(request, turn, attempt === 1 ? 'first' : 'again');
    const { endpoint, key, openai } = ways[lanes.indexOf(turn.lane)]!;
    const observed = observe(endpoint);
    const result = await attemptOnce(asking, turn, { openai, endpoint, key, observed }, request);
    if ('answer' in result) return { ...result.answer, attempts: attempt };

    const { failure, text } = result;
    const { reason } = failure;
    const retryAfterSeconds = boundedRetryAfter(failure, endpoints.length);
    const tooLong = (retryAfterSeconds ?? 0) > LONGEST_RETRY_AFTER_SECONDS && endpoints.length === 1;
    turn.end({
      kind: 'failed',
      reason,
      text: `${reason}: ${text}`,
      retryAfterSeconds: tooLong ? undefined : retryAfterSeconds,
    });
    firstFailedAt ??= asking.clock.now();
    const mayWait = whenDown === 'wait' && (reason === 'rate-limit' || !answersOthers(lanes, firstFailedAt));
    if (tooLong || (attempt >= asking.retry.attempts && !mayWait)) {
      const error = unavailable(endpoint, { attempt, failure, text, tooLong });
      // The others would only be told the same.
      if (tooLong) asking.turns.fail(turn.lane, error);
      throw error;
    }
    turn.lane.counts.retries[reason] = (turn.lane.counts.retries[reason] ?? 0) + 1;
    observed.retried(reason);
    failed = turn.lane;
    // Another endpoint needn't wait for what this one asks for.
    const asked = endpoints.length === 1 ? retryAfterSeconds : undefined;
    await asking.wait(secondsBeforeRetry(asking.retry, attempt, asked, asking.random), signal);
  }
}

/** Lets a request through that has its turn, or gives the turn back. */
async function admitted({ admit }: CompletionRequest, turn: Turn, sending: Sending): Promise<void> {
  try {
    await admit?.(sending);
  } catch (error) {
    turn.end({ kind: 'given-up' });
    throw error;
  }
}

interface Way {
  readonly openai: OpenAI;
  readonly endpoint: Endpoint;
  readonly key: string;
  readonly observed: ObservedRequest;
}

type Retryable = Extract<Failure, { kind: 'retry' }>;

/** Sends the request once. Ends its turn, unless it failed so that another attempt may do better. */
async function attemptOnce(
  { requestTimeoutSeconds }: Asking,
  turn: Turn,
  { openai, endpoint, key, observed }: Way,
  request: CompletionRequest,
): Promise<{ answer: ChatAnswer } | { failure: Retryable; text: string }> {
  const { signal, samples } = request;
  const { counts } = turn.lane;
  counts.attempts++;
  observed.sent(endpoint);
  const sentAt = performance.now();
  const answered = (answer: ChatAnswer): { answer: ChatAnswer } => {
    turn.end({ kind: 'answered' });
    observed.answered(answer, (performance.now() - sentAt) / 1000);
    return { answer };
  };
  try {
    const answer = await withTimeout(requestTimeoutSeconds, signal, (bounded) =>
      sendOnce(openai, endpoint.model, request, bounded),
    );
    counts.promptTokens += answer.usage.promptTokens;
    counts.completionTokens += answer.usage.completionTokens;
    return answered(answer);
  } catch (error) {
    if (signal?.aborted === true) turn.end({ kind: 'given-up' });
    signal?.throwIfAborted();
    const failure = classifyFailure(error);
    const text = shownText(failure.text, key);
    if (failure.kind === 'retry') return { failure, text };
    if (failure.kind === 'samples-unsupported' && samples > 1) {
      return answered({ choices: [], usage: { promptTokens: 0, completionTokens: 0 } });
    }
    turn.end({ kind: 'answered' });
    const list = () => listModels(openai, listingTimeoutSeconds);
    throw await finalError(endpoint, failure, text, keyAdvice(endpoint), list);
  }
}

async function sendOnce(
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
      ...(sampling.stop === undefined ? {} : { stop: sampling.stop }),
      ...(samples === 1 ? {} : { n: samples }),
      ...(seed === undefined ? {} : { seed }),
    },
    { signal },
  );
  return readChatAnswer(body);
}

/** Whether others were answered while this request failed: then it isn't that the endpoints are down. */
function answersOthers(lanes: readonly Lane[], since: number): boolean {
  return lanes.some(({ answeredAt, outage }) => outage === undefined && answeredAt > since);
}

function boundedRetryAfter({ retryAfterSeconds }: Retryable, endpoints: number): number | undefined {
  if (retryAfterSeconds === undefined || endpoints === 1) return retryAfterSeconds;
  return Math.min(retryAfterSeconds, LONGEST_SILENCE_SECONDS);
}

function unavailable(
  { baseUrl, model }: Endpoint,
  about: { attempt: number; failure: Retryable; text: string; tooLong: boolean },
): EndpointUnavailable {
  const { attempt, failure, text, tooLong } = about;
  const { reason, status, requestId, retryAfterSeconds } = failure;
  const endpoint = shownUrl(baseUrl);
  return new EndpointUnavailable(
    `${endpoint} gave no usable answer for model ${model} in ${attempt} ` +
      `attempt${attempt === 1 ? '' : 's'}; the last one: ${reason}: ${text}. ` +
      (tooLong
        ? `It asks to be left alone for ${Math.ceil(retryAfterSeconds ?? 0)} s.`
        : 'Look whether it is up, reachable from the worker and not overloaded.'),
    { endpoint, attempts: attempt, status, requestId, retryAfterSeconds },
  );
}
