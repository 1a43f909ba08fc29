/** Time as the control of requests sees it; simulated in tests. */
export interface Clock {
  /** Seconds from a fixed moment on. They never go back. */
  now(): number;
  /** Runs something after so many seconds. Returns what prevents it. */
  after(seconds: number, run: () => void): () => void;
}

export const realTime: Clock = {
  now: () => performance.now() / 1000,
  after(seconds, run) {
    // A timer may be early by a part of a millisecond.
    const timer = setTimeout(run, Math.ceil(1000 * seconds));
    return () => clearTimeout(timer);
  },
};
