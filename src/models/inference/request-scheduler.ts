/** Sends waiting requests in their order, each to the least loaded endpoint that serves its model. */
import type { Clock } from './clock.ts';
import type { EndpointState, RequestOutcome, SentRequest, OnUnavailable } from './endpoint-state.ts';

/** Allows a request to be sent to this endpoint now. `release` must be called exactly once. */
export interface Permit {
  readonly endpointState: EndpointState;
  release(outcome: RequestOutcome): void;
}

export interface PermitRequest {
  /** The endpoints that the request may go to. */
  readonly endpointStates: readonly EndpointState[];
  readonly onUnavailable: OnUnavailable;
  /** The answers that the request asks for. */
  readonly samples: number;
  /** The endpoint of the last, failed attempt; another one is preferred. */
  readonly avoid?: EndpointState | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface WaitingRequest {
  readonly sequence: number;
  readonly samples: number;
  readonly avoid: EndpointState | undefined;
  grant(permit: Permit): void;
  rejectWaiting(error: Error): void;
}

/** Waiting requests that may go to the same endpoints. */
interface EndpointGroup {
  readonly endpointStates: readonly EndpointState[];
  readonly onUnavailable: OnUnavailable;
  readonly waiting: WaitingRequest[];
}

export class RequestScheduler {
  readonly #clock: Clock;
  readonly #groups = new Map<string, EndpointGroup>();
  #sequence = 0;
  #closed = false;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the request may be sent. Rejects with the signal's reason if the signal aborts before. */
  acquire({ endpointStates, onUnavailable, samples, avoid, signal }: PermitRequest): Promise<Permit> {
    signal?.throwIfAborted();
    if (this.#closed) return Promise.reject(closedError());
    const group = this.#groupOf(endpointStates, onUnavailable);
    return new Promise((resolve, reject) => {
      const waiting: WaitingRequest = {
        sequence: this.#sequence++,
        samples,
        avoid,
        grant(permit) {
          signal?.removeEventListener('abort', onAbort);
          resolve(permit);
        },
        rejectWaiting(error) {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      const onAbort = (): void => {
        group.waiting.splice(group.waiting.indexOf(waiting), 1);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      group.waiting.push(waiting);
      this.dispatch();
    });
  }

  /** Counts the waiting requests that may go to this endpoint. */
  waitingCount(endpointState: EndpointState): number {
    let count = 0;
    for (const { endpointStates, waiting } of this.#groups.values())
      if (endpointStates.includes(endpointState)) count += waiting.length;
    return count;
  }

  /** Rejects with the error the waiting requests that can only go to this endpoint. */
  fail(endpointState: EndpointState, error: Error): void {
    for (const { endpointStates, waiting } of this.#groups.values()) {
      if (endpointStates.length === 1 && endpointStates[0] === endpointState)
        for (const request of waiting.splice(0)) request.rejectWaiting(error);
    }
  }

  /** Grants permits to the requests that may be sent now. */
  dispatch(): void {
    const now = this.#clock.now();
    for (;;) {
      const next = this.#next(now);
      if (next === undefined) break;
      next.group.waiting.shift();
      const { waiting, endpointState, group } = next;
      waiting.grant(this.#begin(endpointState, group.onUnavailable, waiting.samples));
    }
    this.#setTimer(now);
  }

  /** Rejects all waiting requests, and grants no more permits. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { waiting } of this.#groups.values())
      for (const request of waiting.splice(0)) request.rejectWaiting(closedError());
  }

  #begin(endpointState: EndpointState, onUnavailable: OnUnavailable, samples: number): Permit {
    const sending: SentRequest = endpointState.beginRequest(onUnavailable, samples);
    return {
      endpointState,
      release: (outcome) => {
        endpointState.endRequest(sending, outcome);
        this.dispatch();
      },
    };
  }

  /** Finds the request that has waited longest among those that may be sent, and its endpoint. */
  #next(
    now: number,
  ): { group: EndpointGroup; waiting: WaitingRequest; endpointState: EndpointState } | undefined {
    let found: { group: EndpointGroup; waiting: WaitingRequest; endpointState: EndpointState } | undefined;
    for (const group of this.#groups.values()) {
      const [waiting] = group.waiting;
      if (waiting === undefined || (found !== undefined && found.waiting.sequence < waiting.sequence))
        continue;
      const endpointState = leastLoadedEndpoint(group, waiting.avoid, now);
      if (endpointState !== undefined) found = { group, waiting, endpointState };
    }
    return found;
  }

  /** Sets a timer for the moment at which the next request may be sent even if none ends before. */
  #setTimer(now: number): void {
    let at = Infinity;
    for (const { endpointStates, onUnavailable, waiting } of this.#groups.values()) {
      if (waiting.length === 0) continue;
      for (const endpointState of endpointStates)
        at = Math.min(at, endpointState.readyAt(now, onUnavailable));
    }
    if (this.#timer !== undefined && this.#timer.at <= at && this.#timer.at > now) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (at === Infinity) return;
    const cancel = this.#clock.after(at - now, () => {
      this.#timer = undefined;
      this.dispatch();
    });
    this.#timer = { at, cancel };
  }

  #groupOf(endpointStates: readonly EndpointState[], onUnavailable: OnUnavailable): EndpointGroup {
    const key = [onUnavailable, ...endpointStates.map(({ baseUrl }) => baseUrl)].join('\n');
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { endpointStates, onUnavailable, waiting: [] };
      this.#groups.set(key, group);
    }
    return group;
  }
}

function closedError(): Error {
  return new Error('the inference client is closed');
}

function leastLoadedEndpoint(
  { endpointStates, onUnavailable }: EndpointGroup,
  avoid: EndpointState | undefined,
  now: number,
): EndpointState | undefined {
  let found: EndpointState | undefined;
  for (const endpointState of endpointStates) {
    if (endpointState.readyAt(now, onUnavailable) > now) continue;
    if (
      found === undefined ||
      found === avoid ||
      (endpointState !== avoid && isLessLoaded(endpointState, found))
    )
      found = endpointState;
  }
  return found;
}

function isLessLoaded(endpointState: EndpointState, other: EndpointState): boolean {
  const more = endpointState.load - other.load;
  return more < 0 || (more === 0 && endpointState.counts.attempts < other.counts.attempts);
}
