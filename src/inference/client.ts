/** The inference client: chat completions with bounded concurrency, retries, named errors and token counts. */
import type OpenAI from 'openai';
import pLimit, { type LimitFunction } from 'p-limit';
import { type RetryPolicy, secondsBeforeRetry, type Wait, waitInRealTime } from './backoff.ts';
import { type ChatAnswer, type Choice, readChatAnswer, type Usage } from './chat-answer.ts';
import { type Connections, createConnections, listModels } from './connections.ts';
import { apiKeyOf, type Endpoint, type Environment, keyAdvice, shownText, shownUrl } from './endpoint.ts';
import { EndpointUnavailable, InferenceError } from './errors.ts';
import type { RetryReason } from './failure.ts';
import { classifyFailure } from './failures.ts';
import { finalError, listingTimeoutSeconds } from './final-error.ts';
import { type ObservedRequest, observeTogether, type RequestObserver } from './request-observer.ts';
import { withTimeout } from './timeout.ts';

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface Sampling {
  temperature: number;
  topP: number;
  /** Most tokens that one sample may have. */
  maxTokens: number;
  stop?: string[] | undefined;
}

export interface CompletionRequest {
  endpoint: Endpoint;
  messages: Message[];
  sampling: Sampling;
  /** How many samples to draw (`n`). */
  samples: number;
  /** Seed of the first sample; sample k has seed + k. */
  seed?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Asked once the request has its slot, before it is sent; what it throws is thrown, and nothing is sent. */
  admit?: (() => Promise<void>) | undefined;
}

export interface Completion {
  /** As many as samples were asked for, in the order of their seeds. */
  choices: Choice[];
  usage: Usage;
  /** HTTP requests that were answered with samples: one, or more where the server gives fewer samples than asked for. */
  requests: number;
  /** HTTP requests that were sent for it, those that were sent again among them. */
  attempts: number;
  /** Wall time of the whole call, the wait for a free slot included. */
  seconds: number;
}

export interface EndpointStatistics extends Usage {
  /** HTTP requests under way, or waiting to be sent again. */
  inFlight: number;
  /** Requests that wait for a free slot. */
  waiting: number;
  /** HTTP requests that were sent. */
  attempts: number;
  /** Attempts that failed and were made again, by reason. */
  retries: Partial<Record<RetryReason, number>>;
  /** Requests that ended in an error of errors.ts. */
  failures: number;
}

export interface InferenceClient {
  /**
   * Draws samples. Throws `EndpointUnavailable`, `EndpointRejected`, `ModelNotFound` or `RequestRefused` (errors.ts),
   * and the signal's own reason when that aborts.
   */
  complete(request: CompletionRequest): Promise<Completion>;
  /** Counts since the client was made, by base URL. */
  statistics(): Record<string, EndpointStatistics>;
  close(): Promise<void>;
}

export interface InferenceClientOptions {
  /** Requests in flight at one endpoint (base URL) at most. */
  maximumInFlight: number;
  /** Bound of one attempt, its whole answer read, in seconds. */
  requestTimeoutSeconds: number;
  retry: RetryPolicy;
  /** Where keys come from. */
  environment: Environment;
  /** Hear of each request. */
  observers?: readonly RequestObserver[];
  /** Replaced in tests, which don't wait. */
  wait?: Wait;
  random?: () => number;
}

/** An endpoint that asks for a longer silence than this is given up, so that the caller can pause instead. */
const longestRetryAfterSeconds = 300;

interface Lane {
  limit: LimitFunction;
  counts: Usage & { attempts: number; retries: Partial<Record<RetryReason, number>>; failures: number };
}

export function createInferenceClient(options: InferenceClientOptions): InferenceClient {
  const connections = createConnections(options.maximumInFlight);
  const observer = observeTogether(options.observers ?? []);
  const lanes = new Map<string, Lane>();

  function laneOf(baseUrl: string): Lane {
    let lane = lanes.get(baseUrl);
    if (lane === undefined) {
      const counts = { attempts: 0, retries: {}, failures: 0, promptTokens: 0, completionTokens: 0 };
      lane = { limit: pLimit(options.maximumInFlight), counts };
      lanes.set(baseUrl, lane);
    }
    return lane;
  }

  return {
    async complete(request) {
      const started = performance.now();
      const lane = laneOf(request.endpoint.baseUrl);
      const ask = (
        samples: number,
        seed: number | undefined,
        admit?: () => Promise<void>,
      ): Promise<Answered> =>
        inLane(lane, request.signal, async () => {
          await admit?.();
          const asked = { ...request, samples, seed };
          const observed = observer.begin(asked);
          try {
            return await askUntilAnswered(options, connections, lane, observed, asked);
          } catch (error) {
            if (error instanceof InferenceError) lane.counts.failures++;
            observed.failed(error);
            throw error;
          }
        });

      const first = await ask(request.samples, request.seed, request.admit);
      const answers = [first];
      // A server that doesn't know `n` gives fewer choices: the other samples are asked for one by one. They are a part
      // of the request that was let through.
      const missing = Array.from(
        { length: Math.max(0, request.samples - first.choices.length) },
        (_, index) => first.choices.length + index,
      );
      answers.push(
        ...(await Promise.all(
          missing.map((k) => ask(1, request.seed === undefined ? undefined : request.seed + k)),
        )),
      );
      return {
        choices: answers.flatMap((answer) => answer.choices).slice(0, request.samples),
        usage: {
          promptTokens: sum(answers.map((answer) => answer.usage.promptTokens)),
          completionTokens: sum(answers.map((answer) => answer.usage.completionTokens)),
        },
        requests: answers.filter((answer) => answer.choices.length > 0).length,
        attempts: sum(answers.map((answer) => answer.attempts)),
        seconds: (performance.now() - started) / 1000,
      };
    },

    statistics: () =>
      Object.fromEntries(
        [...lanes].map(([baseUrl, { limit, counts }]) => [
          baseUrl,
          {
            ...counts,
            retries: { ...counts.retries },
            inFlight: limit.activeCount,
            waiting: limit.pendingCount,
          },
        ]),
      ),

    close: () => connections.close(),
  };
}

type Answered = ChatAnswer & { attempts: number };

/**
 * One request with its retries. It keeps its slot while it waits, so that an endpoint under load is asked less by the
 * others too.
 */
async function askUntilAnswered(
  options: InferenceClientOptions,
  connections: Connections,
  lane: Lane,
  observed: ObservedRequest,
  request: CompletionRequest,
): Promise<Answered> {
  const { wait = waitInRealTime, random = Math.random, retry } = options;
  const { endpoint, signal } = request;
  const key = apiKeyOf(endpoint, options.environment);
  const openai = connections.to(endpoint, key);

  for (let attempt = 1; ; attempt++) {
    lane.counts.attempts++;
    observed.sent();
    const sentAt = performance.now();
    const answered = (answer: ChatAnswer): Answered => {
      observed.answered(answer, (performance.now() - sentAt) / 1000);
      return { ...answer, attempts: attempt };
    };
    try {
      const answer = await withTimeout(options.requestTimeoutSeconds, signal, (bounded) =>
        sendOnce(openai, request, bounded),
      );
      lane.counts.promptTokens += answer.usage.promptTokens;
      lane.counts.completionTokens += answer.usage.completionTokens;
      return answered(answer);
    } catch (error) {
      signal?.throwIfAborted();
      const failure = classifyFailure(error);
      const { status, requestId } = failure;
      const text = shownText(failure.text, key);
      if (failure.kind === 'samples-unsupported' && request.samples > 1) {
        return answered({ choices: [], usage: { promptTokens: 0, completionTokens: 0 } });
      }
      if (failure.kind !== 'retry') {
        const list = () => listModels(openai, listingTimeoutSeconds);
        throw await finalError(endpoint, failure, text, keyAdvice(endpoint), list);
      }
      const { reason, retryAfterSeconds } = failure;
      const tooLong = (retryAfterSeconds ?? 0) > longestRetryAfterSeconds;
      if (attempt >= retry.attempts || tooLong) {
        throw new EndpointUnavailable(
          `${shownUrl(endpoint.baseUrl)} gave no usable answer for model ${endpoint.model} in ${attempt} ` +
            `attempt${attempt === 1 ? '' : 's'}; the last one: ${reason}: ${text}. ` +
            (tooLong
              ? `It asks to be left alone for ${Math.ceil(retryAfterSeconds ?? 0)} s.`
              : 'Look whether it is up, reachable from the worker and not overloaded.'),
          { endpoint: shownUrl(endpoint.baseUrl), attempts: attempt, status, requestId, retryAfterSeconds },
        );
      }
      lane.counts.retries[reason] = (lane.counts.retries[reason] ?? 0) + 1;
      observed.retried(reason);
      await wait(secondsBeforeRetry(retry, attempt, retryAfterSeconds, random), signal);
    }
  }
}

async function sendOnce(
  openai: OpenAI,
  request: CompletionRequest,
  signal: AbortSignal,
): Promise<ChatAnswer> {
  const { endpoint, messages, sampling, samples, seed } = request;
  const body = await openai.chat.completions.create(
    {
      model: endpoint.model,
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

/** Runs once a slot is free; ends at once when the signal aborts, also while it still waits for one. */
function inLane<T>(lane: Lane, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
  const queued = lane.limit(async () => {
    signal?.throwIfAborted();
    return run();
  });
  if (signal === undefined) return queued;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    void queued.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
