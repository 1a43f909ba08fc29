/** So many at once; who comes later waits in line. */
export class Slots {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  /** Runs once a slot is free. @throws the signal's reason, also while it still waits */
  async during<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    await this.#taken(signal);
    try {
      return await run();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  async #taken(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      const place = this.#line.indexOf(resolve);
      // A slot that was handed over is given back by what runs in it.
      if (place < 0) return;
      this.#line.splice(place, 1);
      reject(signal?.reason as Error);
    };
    this.#line.push(resolve);
    signal?.addEventListener('abort', leave, { once: true });
    await promise.finally(() => signal?.removeEventListener('abort', leave));
  }
}
