/** How many requests one endpoint has in flight at most: additive increase, multiplicative decrease between two bounds. */

export interface InFlightBounds {
  readonly minimum: number;
  readonly maximum: number;
}

/** What is left of the limit when the endpoint doesn't keep up, by what tells it. */
const KEPT = {
  /** Time-outs and errors of the server (5xx). */
  overload: 0.7,
  /** 429 that a rate doesn't explain, and a queue at the server: it works as fast as it can. */
  full: 0.9,
} as const;
export type Congestion = keyof typeof KEPT;

/** Requests that may wait at a server without a loss to anybody: they keep it busy. */
const HARMLESS_QUEUE = 4;
const HARMLESS_QUEUE_SHARE = 1 / 8;

/** So near to a number of requests that was refused, a refusal is most likely due to the number again. */
const NEAR = 0.9;

export class InFlightLimit {
  readonly #bounds: InFlightBounds;
  #limit: number;
  #inFlight = 0;
  /** As many were in flight when the last one was sent: answers that come at once count as if each had found them all there. */
  #usedAtMost = 0;
  /** When it last fell; until an answer comes after that, nothing new is known. */
  #fellAt = -1;
  #answeredSince = true;
  #serverQueues = false;
  /** So many were in flight when one more was refused for that. */
  #refusedAt: number | undefined;

  /** It begins at the maximum: what an endpoint takes is asked of it until it says otherwise. */
  constructor(bounds: InFlightBounds) {
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

  /** Whether so many are in flight that one was refused for that before. */
  get isWhereRefused(): boolean {
    return this.#refusedAt !== undefined && this.#inFlight >= NEAR * this.#refusedAt;
  }

  get canFall(): boolean {
    return this.limit > this.#bounds.minimum;
  }

  sent(): void {
    this.#inFlight += 1;
    this.#usedAtMost = this.#inFlight;
  }

  /** A request is over, however it ended. */
  ended(): void {
    this.#inFlight -= 1;
  }

  /**
   * A request was answered well, and is no longer in flight. Where the limit was used up it rises: by one for as many
   * answers as it allows, by a sixteenth where that is more.
   */
  answered(): void {
    this.#answeredSince = true;
    if (this.#refusedAt !== undefined && this.#inFlight * NEAR > this.#refusedAt) this.#refusedAt = undefined;
    if (this.#serverQueues || this.#usedAtMost < this.limit) return;
    this.#limit = Math.min(this.#bounds.maximum, this.#limit + Math.max(1 / this.#limit, 1 / 16));
  }

  /** The endpoint didn't keep up with a request, which is no longer in flight. It falls once until there is an answer. */
  congested(kind: Congestion, sentAt: number, now: number): void {
    if (!this.#answeredSince || sentAt <= this.#fellAt) return;
    this.#answeredSince = false;
    if (kind === 'full') this.#refusedAt = this.#inFlight;
    this.#fall(kind, now);
  }

  /** @param waiting requests that the server has taken and doesn't work on, anybody's */
  serverQueue(waiting: number, now: number): void {
    const harmless = Math.max(HARMLESS_QUEUE, this.#inFlight * HARMLESS_QUEUE_SHARE);
    this.#serverQueues = waiting > harmless / 2;
    // What was taken back before is still on its way out.
    if (waiting > harmless && this.#inFlight <= this.#limit) this.#fall('full', now);
  }

  #fall(kind: Congestion, now: number): void {
    this.#fellAt = now;
    const used = Math.min(this.#limit, Math.max(1, this.#usedAtMost));
    this.#limit = Math.max(this.#bounds.minimum, used * KEPT[kind]);
  }
}
