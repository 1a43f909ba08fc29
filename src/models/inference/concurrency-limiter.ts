/** Limits the requests in flight to one endpoint: additive increase and multiplicative decrease between two bounds. */

export interface ConcurrencyBounds {
  readonly minimum: number;
  readonly maximum: number;
}

/** The limit is multiplied by one of these if the endpoint does not keep up. */
const DECREASE_FACTORS = {
  /** Timeouts and server errors (5xx). */
  overload: 0.7,
  /** A 429 that no rate limit explains, or a queue at the server, which is fully used. */
  full: 0.9,
} as const;
export type Congestion = keyof typeof DECREASE_FACTORS;

/** A queue of this length is not reduced, because it keeps the server busy. */
const HARMLESS_QUEUE_LENGTH = 4;
const HARMLESS_QUEUE_SHARE = 1 / 8;

/** From this share of a refused number of requests on, the next refusal is attributed to that number too. */
const NEAR_SHARE = 0.9;

export class ConcurrencyLimiter {
  readonly #bounds: ConcurrencyBounds;
  #limit: number;
  #inFlight = 0;
  #samplesInFlight = 0;
  /** The requests in flight when the last one was sent. Answers that arrive together all count as arriving at this number. */
  #peakInFlight = 0;
  /** When the limit was last decreased. It is not decreased again before the next answer. */
  #decreasedAt = -1;
  #answeredSince = true;
  /** Undefined before the server has told the length of its queue. */
  #isServerQueueing: boolean | undefined;
  /** The number of requests in flight at which another one was refused. */
  #refusedAt: number | undefined;

  /** The limit begins at the maximum, and falls if the endpoint does not keep up. */
  constructor(bounds: ConcurrencyBounds) {
    this.#bounds = bounds;
    this.#limit = bounds.maximum;
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get isFull(): boolean {
    return this.#inFlight >= this.limit;
  }

  /** Whether nearly as many requests are in flight as when one was refused. */
  get isNearRefusedConcurrency(): boolean {
    return this.#refusedAt !== undefined && this.#inFlight >= NEAR_SHARE * this.#refusedAt;
  }

  get canDecrease(): boolean {
    return this.limit > this.#bounds.minimum;
  }

  /** @param samples the answers that the request asks for */
  recordSent(samples: number): void {
    this.#inFlight += 1;
    this.#samplesInFlight += samples;
    this.#peakInFlight = this.#inFlight;
  }

  /** A request has ended, successfully or not. */
  recordEnd(samples: number): void {
    this.#inFlight -= 1;
    this.#samplesInFlight -= samples;
  }

  /**
   * A request was answered, and is no longer in flight. If the limit was reached, it rises with each answer by the inverse
   * of the limit, at least by a sixteenth: for each sample if the server tells the length of its queue, which soon shows that
   * the limit is too high.
   * @param samples the answers that the request asked for
   */
  recordAnswer(samples: number): void {
    this.#answeredSince = true;
    if (this.#refusedAt !== undefined && this.#inFlight * NEAR_SHARE > this.#refusedAt)
      this.#refusedAt = undefined;
    if (this.#isServerQueueing === true || this.#peakInFlight < this.limit) return;
    const steps = this.#isServerQueueing === undefined ? 1 : samples;
    this.#limit = Math.min(this.#bounds.maximum, this.#limit + Math.max(1 / this.#limit, steps / 16));
  }

  /** The endpoint did not keep up with a request, which is no longer in flight. The limit falls once until the next answer. */
  decrease(kind: Congestion, sentAt: number, now: number): void {
    if (!this.#answeredSince || sentAt <= this.#decreasedAt) return;
    this.#answeredSince = false;
    if (kind === 'full') this.#refusedAt = this.#inFlight;
    this.#decrease(kind, now);
  }

  /** @param waitingSamples what all clients have in the server's queue, where each sample of a request counts by itself */
  reportServerQueue(waitingSamples: number, now: number): void {
    const samplesPerRequest = this.#inFlight === 0 ? 1 : this.#samplesInFlight / this.#inFlight;
    const waiting = waitingSamples / samplesPerRequest;
    const harmless = Math.max(HARMLESS_QUEUE_LENGTH, this.#inFlight * HARMLESS_QUEUE_SHARE);
    this.#isServerQueueing = waiting > harmless / 2;
    // After a decrease, the limit does not fall again before the requests in flight are below it.
    // It falls by no more than the queue is too long, so that the server stays busy.
    if (waiting > harmless && this.#inFlight <= this.#limit)
      this.#decrease('full', now, waiting - harmless / 2);
  }

  #decrease(kind: Congestion, now: number, most = Infinity): void {
    this.#decreasedAt = now;
    const used = Math.min(this.#limit, Math.max(1, this.#peakInFlight));
    this.#limit = Math.max(this.#bounds.minimum, used * DECREASE_FACTORS[kind], used - most);
  }
}
