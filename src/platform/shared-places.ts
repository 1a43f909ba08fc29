/** For so many seconds the unstarted items are to suffice, in which another list can be begun. */
const LEAD_SECONDS = 2;
/** The share of the places that the unstarted items are to suffice for at least, such as before the first item has ended. */
const LEAD_SHARE = 1 / 8;
/** The items that ended so many seconds ago count a third (1/e) in the rate at which items end. */
const RATE_SECONDS = 5;
/** The rate of a shorter time is not extrapolated. */
const MIN_RATE_SECONDS = 1;

interface OpenList {
  readonly order: number;
  unstarted(): number;
  startNext(): Promise<void>;
}

/**
 * A number of places in which the items of several lists are worked on, an item in each. A free place takes the next item of
 * the first list that has one, so that a list begins in the places that the last items of another one leave.
 */
export class SharedPlaces {
  readonly #changed: () => void;
  readonly #lists: OpenList[] = [];
  #places: number;
  #busy = 0;
  readonly #since = performance.now();
  /** Items that ended, those of earlier seconds with less weight, and when the last one did. */
  #ended = { weighted: 0, at: this.#since };

  /** @param changed called after each change, to look if another list is needed */
  constructor(places: number, changed: () => void = () => undefined) {
    this.#places = places;
    this.#changed = changed;
  }

  /** Changes the number of places. If there are fewer now, running items go on. */
  resize(places: number): void {
    this.#places = places;
    this.#fill();
  }

  /** The number of items that have not been started. */
  get unstarted(): number {
    return this.#lists.reduce((sum, list) => sum + list.unstarted(), 0);
  }

  /**
   * If fewer items are unstarted, places may become idle before another list has begun. Never more than there are places, so
   * that no list begins long before it is needed.
   */
  get lead(): number {
    const least = LEAD_SHARE * this.#places;
    return Math.ceil(Math.min(this.#places, Math.max(least, LEAD_SECONDS * this.#endsPerSecond)));
  }

  get #endsPerSecond(): number {
    const seconds = Math.max(MIN_RATE_SECONDS, (performance.now() - this.#since) / 1000);
    return this.#weightedEnds() / (RATE_SECONDS * (1 - Math.exp(-seconds / RATE_SECONDS)));
  }

  #weightedEnds(): number {
    return this.#ended.weighted * Math.exp((this.#ended.at - performance.now()) / 1000 / RATE_SECONDS);
  }

  /**
   * Works on every item of a list. After a failure, and once `signal` aborts, no further item of it starts, but running ones
   * are awaited, because their answers are paid for.
   * @param order lists with a lower one are first
   */
  forEach<T>(
    order: number,
    items: readonly T[],
    work: (item: T) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      let started = 0;
      let running = 0;
      let failure: { readonly error: unknown } | undefined;
      const list: OpenList = {
        order,
        unstarted: () => (failure === undefined ? items.length - started : 0),
        async startNext() {
          const item = items[started++] as T;
          running += 1;
          try {
            await work(item);
          } catch (error) {
            failure ??= { error };
          }
          running -= 1;
          endIfDone();
        },
      };
      const onAbort = () => {
        failure ??= { error: signal.reason };
        endIfDone();
      };
      const endIfDone = () => {
        if (running > 0 || list.unstarted() > 0) return;
        signal.removeEventListener('abort', onAbort);
        this.#lists.splice(this.#lists.indexOf(list), 1);
        if (failure === undefined) resolve();
        else reject(failure.error);
      };
      const next = this.#lists.findIndex((other) => other.order > order);
      this.#lists.splice(next === -1 ? this.#lists.length : next, 0, list);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      else endIfDone();
      this.#fill();
    });
  }

  #fill(): void {
    while (this.#busy < this.#places) {
      const list = this.#lists.find((each) => each.unstarted() > 0);
      if (list === undefined) break;
      void this.#start(list);
    }
    this.#changed();
  }

  async #start(list: OpenList): Promise<void> {
    this.#busy += 1;
    await list.startNext();
    this.#busy -= 1;
    this.#ended = { weighted: this.#weightedEnds() + 1, at: performance.now() };
    this.#fill();
  }
}
