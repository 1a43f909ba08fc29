import { CancellationScope } from '@temporalio/workflow';

interface Sharing<T> {
  readonly scope: CancellationScope;
  readonly result: Promise<T>;
  waiting: number;
}

/**
 * Work that several callers want at the same time, such as the start of a server: it is done once for all of them. A caller that
 * is cancelled leaves it to the others; it is cancelled with the last one.
 */
export class SharedWork<T> {
  readonly #running = new Map<string, Sharing<T>>();
  /** The scope of the creator: the work does not belong to the caller that happens to be the first. */
  readonly #parent = CancellationScope.current();

  async run(key: string, work: () => Promise<T>): Promise<T> {
    const sharing = this.#running.get(key) ?? this.#start(key, work);
    sharing.waiting += 1;
    try {
      return await Promise.race([sharing.result, CancellationScope.current().cancelRequested]);
    } finally {
      sharing.waiting -= 1;
      if (sharing.waiting === 0 && this.#running.get(key) === sharing) {
        this.#running.delete(key);
        sharing.scope.cancel();
        await sharing.result.catch(() => undefined);
      }
    }
  }

  #start(key: string, work: () => Promise<T>): Sharing<T> {
    const scope = new CancellationScope({ cancellable: true, parent: this.#parent });
    const result = scope.run(work);
    const sharing: Sharing<T> = { scope, result, waiting: 0 };
    this.#running.set(key, sharing);
    const end = (): void => {
      if (this.#running.get(key) === sharing) this.#running.delete(key);
    };
    result.then(end, end);
    return sharing;
  }
}
