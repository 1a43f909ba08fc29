/** The inference client: chat completions with scheduling, retries, named errors and token counts. */
import { sendWithRetry, type AnswerWithAttempts, type RequestContext } from './send-with-retry.ts';
import { type RetryPolicy, type WaitFunction, realWait } from './backoff.ts';
import type { BreakerState } from './circuit-breaker.ts';
import type { TokenUsage } from './chat-answer.ts';
import type { Completion, CompletionRequest } from './completion.ts';
import { type Clock, realClock } from './clock.ts';
import type { ConnectionGuard } from './connection-guard.ts';
import { createConnections } from './connections.ts';
import { profileOf } from './endpoint-profile.ts';
import { uncountedTokens } from './uncounted-tokens.ts';
import type { Endpoint, Environment } from './endpoint.ts';
import type { RetryReason } from './classify-failure.ts';
import type { ConcurrencyBounds } from './concurrency-limiter.ts';
import { EndpointState } from './endpoint-state.ts';
import { combineObservers, type RequestObserver } from './request-observer.ts';
import { ServerQueueMonitor } from './server-queue-monitor.ts';
import { outageOf, type EndpointOutage } from './endpoint-outage.ts';
import { RequestScheduler } from './request-scheduler.ts';

export interface EndpointStatistics extends TokenUsage {
  /** HTTP requests under way. */
  inFlight: number;
  /** Requests that wait for this endpoint, or for another one that serves the same model. */
  waiting: number;
  /** How many may be in flight now, between the bounds. */
  concurrencyLimit: number;
  /** How many a second may be sent after it refused some (429); undefined if there is no limit. */
  rateLimit: number | undefined;
  /** Whether it gets no requests because it doesn't answer. */
  breaker: BreakerState;
  /** HTTP requests that were sent. */
  attempts: number;
  /** Failed attempts that were repeated, by reason. */
  retries: Partial<Record<RetryReason, number>>;
  /** Requests that ended in an error of errors.ts. */
  failures: number;
}

export interface InferenceClient {
  /**
   * Draws samples. Throws an error of errors.ts, and the signal's own reason when that aborts.
   */
  complete(request: CompletionRequest): Promise<Completion>;
  /** Counts since the client was made, by base URL. */
  statistics(): Record<string, EndpointStatistics>;
  /** What these endpoints do differently from what was asked, as far as this process knows; a sentence for each thing. */
  notices(endpoints: readonly Endpoint[]): string[];
  /** Why requests to these endpoints wait, if none of them takes requests now; undefined if one does. */
  outage(endpoints: readonly Endpoint[]): EndpointOutage | undefined;
  close(): Promise<void>;
}

export interface InferenceClientOptions {
  /** The bounds of the adaptive limit of requests in flight to one endpoint (base URL). */
  concurrency: ConcurrencyBounds;
  /** The time limit of one attempt, until its whole answer is read. */
  requestTimeoutSeconds: number;
  retry: RetryPolicy;
  /** The environment variables, which hold the keys. */
  environment: Environment;
  /** Says which endpoints may be asked, with which keys; without it all. */
  guard?: ConnectionGuard | undefined;
  /** Notified of each request. */
  observers?: readonly RequestObserver[];
  /** Is told once of each notice about an endpoint that is used. */
  onNotice?: ((notice: string) => void) | undefined;
  /** Is told the words of an answer in an unexpected shape, without the key; no error quotes them. */
  onUnquoted?: ((line: string) => void) | undefined;
  /** Replaced in tests, which don't wait. */
  wait?: WaitFunction;
  clock?: Clock;
  random?: () => number;
}

export function createInferenceClient(options: InferenceClientOptions): InferenceClient {
  const { concurrency: bounds, clock = realClock, wait = realWait, random = Math.random } = options;
  // One more connection, which reads a server's queue while all others are busy.
  const connections = createConnections(bounds.maximum + 1, options.guard);
  const endpointStates = new Map<string, EndpointState>();
  const scheduler = new RequestScheduler(clock);
  const queues = new ServerQueueMonitor(connections, () => scheduler.dispatch());
  const context: RequestContext = {
    ...options,
    wait,
    random,
    clock,
    connections,
    scheduler,
    observer: combineObservers(options.observers ?? []),
    endpointStateOf(baseUrl) {
      let endpointState = endpointStates.get(baseUrl);
      if (endpointState === undefined) {
        endpointState = new EndpointState(baseUrl, { bounds, clock, random });
        endpointStates.set(baseUrl, endpointState);
      }
      queues.monitor(endpointState);
      return endpointState;
    },
  };

  const told = new Set<string>();
  const tellNotices = (endpoints: readonly Endpoint[]) => {
    for (const notice of options.onNotice === undefined ? [] : noticesOf(endpoints)) {
      if (told.has(notice)) continue;
      told.add(notice);
      options.onNotice?.(notice);
    }
  };

  return {
    async complete(request) {
      const started = performance.now();
      const { admit } = request;
      const first = await sendWithRetry(context, request);
      const answers: AnswerWithAttempts[] = [first];
      // A server that doesn't know `n` returns fewer choices: the other samples are requested one by one.
      const missing = Array.from(
        { length: Math.max(0, request.samples - first.choices.length) },
        (_, index) => first.choices.length + index,
      );
      answers.push(
        ...(await Promise.all(
          missing.map((k) =>
            sendWithRetry(context, {
              ...request,
              samples: 1,
              // They belong to a request that has been sent.
              stopSending: undefined,
              seed: request.seed === undefined ? undefined : request.seed + k,
              admit: admit && ((sending) => admit(sending === 'first' ? 'missing-sample' : sending)),
            }),
          ),
        )),
      );
      const completion: Completion = {
        choices: answers.flatMap((answer) => answer.choices).slice(0, request.samples),
        usage: sumUsage(answers.map(({ usage }) => usage)),
        uncounted: sumUsage(answers.map((answer) => uncountedTokens(request.messages, answer))),
        requests: answers.filter((answer) => answer.choices.length > 0).length,
        attempts: sum(answers.map((answer) => answer.attempts)),
        seconds: (performance.now() - started) / 1000,
      };
      profileOf(request.endpoints[0]).observe(request, completion);
      tellNotices(request.endpoints);
      return completion;
    },

    statistics: () =>
      Object.fromEntries(
        [...endpointStates].map(([baseUrl, endpointState]) => [
          baseUrl,
          {
            ...endpointState.counts,
            retries: { ...endpointState.counts.retries },
            inFlight: endpointState.inFlight,
            waiting: scheduler.waitingCount(endpointState),
            concurrencyLimit: endpointState.concurrencyLimit,
            rateLimit: endpointState.rateLimit,
            breaker: endpointState.breakerState,
          },
        ]),
      ),

    notices: noticesOf,

    outage: (endpoints) =>
      outageOf(
        endpoints.map(({ baseUrl }) => endpointStates.get(baseUrl)),
        clock.now(),
      ),

    async close() {
      queues.close();
      scheduler.close();
      await connections.close();
    },
  };
}

function noticesOf(endpoints: readonly Endpoint[]): string[] {
  return endpoints.flatMap((endpoint) => profileOf(endpoint).notices);
}

function sumUsage(usages: readonly TokenUsage[]): TokenUsage {
  return {
    promptTokens: sum(usages.map(({ promptTokens }) => promptTokens)),
    completionTokens: sum(usages.map(({ completionTokens }) => completionTokens)),
  };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
