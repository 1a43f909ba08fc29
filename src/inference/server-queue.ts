/** The queue of a model server, where it tells it: vLLM's metric `vllm:num_requests_waiting` at `/metrics`. */
import type { Connections } from './connections.ts';
import type { Lane } from './lane.ts';

const LOOK_SECONDS = 2;

/** Looks at the queues of the servers that are being asked. One that doesn't tell is not asked again. */
export class QueueWatch {
  readonly #connections: Connections;
  readonly #changed: () => void;
  readonly #timers = new Map<Lane, NodeJS.Timeout>();
  readonly #silent = new Set<Lane>();
  readonly #closing = new AbortController();

  /** @param changed is called when a look may have changed how many requests an endpoint is given */
  constructor(connections: Connections, changed: () => void) {
    this.#connections = connections;
    this.#changed = changed;
  }

  /** Looks from now on, until the endpoint has nothing to do. */
  watch(lane: Lane): void {
    if (this.#timers.has(lane) || this.#silent.has(lane)) return;
    this.#lookLater(lane);
  }

  close(): void {
    this.#closing.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  #lookLater(lane: Lane): void {
    const timer = setTimeout(() => void this.#look(lane), 1000 * LOOK_SECONDS).unref();
    this.#timers.set(lane, timer);
  }

  async #look(lane: Lane): Promise<void> {
    if (lane.inFlight === 0) {
      this.#timers.delete(lane);
      return;
    }
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(1000 * LOOK_SECONDS)]);
      const { status, text } = await this.#connections.get(new URL('/metrics', lane.baseUrl), signal);
      const waiting = status === 200 ? requestsWaiting(text) : undefined;
      if (waiting === undefined) this.#silent.add(lane);
      else {
        lane.serverQueue(waiting);
        this.#changed();
      }
    } catch {
      // Whether it is up is for the requests to find out.
    }
    if (this.#silent.has(lane) || this.#closing.signal.aborted) this.#timers.delete(lane);
    else this.#lookLater(lane);
  }
}

/** Requests that wait, of all engines of a server; undefined where the text doesn't say. */
export function requestsWaiting(metrics: string): number | undefined {
  const values = [...metrics.matchAll(/^vllm:num_requests_waiting(?:\{[^}\n]*\})?\s+(\S+)/gm)].map(
    ([, value]) => Number(value),
  );
  const sum = values.reduce((total, value) => total + value, 0);
  return values.length === 0 || !Number.isFinite(sum) ? undefined : sum;
}
