/** The inference client: chat completions with turns, retries, named errors and token counts. */
import { answerOf, type Answered, type Asking } from './ask.ts';
import { type RetryPolicy, type Wait, waitInRealTime } from './backoff.ts';
import type { BreakerState } from './breaker.ts';
import type { Choice, Usage } from './chat-answer.ts';
import { type Clock, realTime } from './clock.ts';
import { createConnections } from './connections.ts';
import type { Endpoint, Environment } from './endpoint.ts';
import type { RetryReason } from './failure.ts';
import type { InFlightBounds } from './in-flight-limit.ts';
import { Lane, type WhenDown } from './lane.ts';
import { observeTogether, type RequestObserver } from './request-observer.ts';
import { QueueWatch } from './server-queue.ts';
import { silenceOf, type Silence } from './silence.ts';
import { Turns } from './turns.ts';

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

/**
 * What is about to be sent: a request for the first time, a sample that the server has left out of its answer to one, or
 * either once more after a failure.
 */
export type Sending = 'first' | 'left-out' | 'again';

export interface CompletionRequest {
  /** One endpoint, or several that serve the same model under the same name: the load is spread over those that answer. */
  endpoints: readonly [Endpoint, ...Endpoint[]];
  /** What becomes of the request while none of them answers; `fail` where nothing is said. */
  whenDown?: WhenDown | undefined;
  messages: Message[];
  sampling: Sampling;
  /** How many samples to draw (`n`). */
  samples: number;
  /** Seed of the first sample; sample k has seed + k. */
  seed?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Asked before each HTTP request, once it has its slot; what it throws is thrown, and nothing is sent. */
  admit?: ((sending: Sending) => Promise<void>) | undefined;
}

export interface Completion {
  /** As many as samples were asked for, in the order of their seeds. */
  choices: Choice[];
  usage: Usage;
  /** HTTP requests that were answered with samples: one, or more where the server gives fewer samples than asked for. */
  requests: number;
  /** HTTP requests that were sent for it, those that were sent again among them. */
  attempts: number;
  /** Wall time of the whole call, the wait for its turn included. */
  seconds: number;
}

export interface EndpointStatistics extends Usage {
  /** HTTP requests under way. */
  inFlight: number;
  /** Requests that wait for their turn at this endpoint, or at another one that serves the same. */
  waiting: number;
  /** How many may be under way now, between the bounds. */
  limit: number;
  /** How many a second may be sent after it refused some (429); undefined where nothing is held back. */
  rate: number | undefined;
  /** Whether it is left alone because it doesn't answer. */
  breaker: BreakerState;
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
  /** Why requests to these endpoints wait, where none of them is asked now; undefined where one is. */
  silence(endpoints: readonly Endpoint[]): Silence | undefined;
  close(): Promise<void>;
}

export interface InferenceClientOptions {
  /** Between them stays how many requests one endpoint (base URL) has in flight at most. */
  inFlight: InFlightBounds;
  /** Bound of one attempt, its whole answer read, in seconds. */
  requestTimeoutSeconds: number;
  retry: RetryPolicy;
  /** Where keys come from. */
  environment: Environment;
  /** Hear of each request. */
  observers?: readonly RequestObserver[];
  /** Replaced in tests, which don't wait. */
  wait?: Wait;
  clock?: Clock;
  random?: () => number;
}

export function createInferenceClient(options: InferenceClientOptions): InferenceClient {
  const { inFlight: bounds, clock = realTime, wait = waitInRealTime, random = Math.random } = options;
  // One more, to look at a server's queue while all others are busy.
  const connections = createConnections(bounds.maximum + 1);
  const lanes = new Map<string, Lane>();
  const turns = new Turns(clock);
  const queues = new QueueWatch(connections, () => turns.look());
  const asking: Asking = {
    ...options,
    wait,
    random,
    clock,
    connections,
    turns,
    observer: observeTogether(options.observers ?? []),
    laneOf(baseUrl) {
      let lane = lanes.get(baseUrl);
      if (lane === undefined) {
        lane = new Lane(baseUrl, { bounds, clock, random });
        lanes.set(baseUrl, lane);
      }
      queues.watch(lane);
      return lane;
    },
  };

  return {
    async complete(request) {
      const started = performance.now();
      const { admit } = request;
      const first = await answerOf(asking, request);
      const answers: Answered[] = [first];
      // A server that doesn't know `n` gives fewer choices: the other samples are asked for one by one.
      const missing = Array.from(
        { length: Math.max(0, request.samples - first.choices.length) },
        (_, index) => first.choices.length + index,
      );
      answers.push(
        ...(await Promise.all(
          missing.map((k) =>
            answerOf(asking, {
              ...request,
              samples: 1,
              seed: request.seed === undefined ? undefined : request.seed + k,
              admit: admit && ((sending) => admit(sending === 'first' ? 'left-out' : sending)),
            }),
          ),
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
        [...lanes].map(([baseUrl, lane]) => [
          baseUrl,
          {
            ...lane.counts,
            retries: { ...lane.counts.retries },
            inFlight: lane.inFlight,
            waiting: turns.waitingFor(lane),
            limit: lane.limit,
            rate: lane.rate,
            breaker: lane.state,
          },
        ]),
      ),

    silence: (endpoints) =>
      silenceOf(
        endpoints.map(({ baseUrl }) => lanes.get(baseUrl)),
        clock.now(),
      ),

    async close() {
      queues.close();
      turns.close();
      await connections.close();
    },
  };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
