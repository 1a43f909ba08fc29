/** Reads the length of a model server's queue from vLLM's metric `vllm:num_requests_waiting` at `/metrics`. */
import type { Connections } from './connections.ts';
import type { EndpointState } from './endpoint-state.ts';

const CHECK_INTERVAL_SECONDS = 2;

/** Checks the queues of servers that have requests in flight. A server without the metric is checked once only. */
export class ServerQueueMonitor {
  readonly #connections: Connections;
  readonly #changed: () => void;
  readonly #timers = new Map<EndpointState, NodeJS.Timeout>();
  readonly #withoutMetric = new Set<EndpointState>();
  readonly #closing = new AbortController();

  /** @param changed called when a check may have changed the limit of an endpoint */
  constructor(connections: Connections, changed: () => void) {
    this.#connections = connections;
    this.#changed = changed;
  }

  /** Checks the endpoint repeatedly until it has no request in flight. */
  monitor(endpointState: EndpointState): void {
    if (this.#timers.has(endpointState) || this.#withoutMetric.has(endpointState)) return;
    this.#scheduleCheck(endpointState);
  }

  close(): void {
    this.#closing.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  #scheduleCheck(endpointState: EndpointState): void {
    const timer = setTimeout(() => void this.#check(endpointState), 1000 * CHECK_INTERVAL_SECONDS).unref();
    this.#timers.set(endpointState, timer);
  }

  async #check(endpointState: EndpointState): Promise<void> {
    if (endpointState.inFlight === 0) {
      this.#timers.delete(endpointState);
      return;
    }
    try {
      const signal = AbortSignal.any([
        this.#closing.signal,
        AbortSignal.timeout(1000 * CHECK_INTERVAL_SECONDS),
      ]);
      const { status, text } = await this.#connections.fetchPage(
        new URL('/metrics', endpointState.baseUrl),
        signal,
      );
      const waiting = status === 200 ? parseWaitingRequests(text) : undefined;
      if (waiting === undefined) this.#withoutMetric.add(endpointState);
      else {
        endpointState.reportServerQueue(waiting);
        this.#changed();
      }
    } catch {
      // The requests themselves detect whether the server is down.
    }
    if (this.#withoutMetric.has(endpointState) || this.#closing.signal.aborted)
      this.#timers.delete(endpointState);
    else this.#scheduleCheck(endpointState);
  }
}

/** Returns the waiting requests of all engines of a server; undefined if the page does not contain the metric. */
export function parseWaitingRequests(metrics: string): number | undefined {
  const values = [...metrics.matchAll(/^vllm:num_requests_waiting(?:\{[^}\n]*\})?\s+(\S+)/gm)].map(
    ([, value]) => Number(value),
  );
  const sum = values.reduce((total, value) => total + value, 0);
  return values.length === 0 || !Number.isFinite(sum) ? undefined : sum;
}
