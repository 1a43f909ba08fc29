/** The time for the control of requests; tests simulate it. */
export interface Clock {
  /** Seconds since a fixed moment; monotonic. */
  now(): number;
  /** Runs a function after some seconds. Returns a function that cancels it. */
  after(seconds: number, run: () => void): () => void;
}

export const realClock: Clock = {
  now: () => performance.now() / 1000,
  after(seconds, run) {
    // A timer may fire a fraction of a millisecond early.
    const timer = setTimeout(run, Math.ceil(1000 * seconds));
    return () => clearTimeout(timer);
  },
};
