import { stableHash } from '../platform/stable-hash.ts';

/** The number of ids, and which of them are selected. */
export interface Selection {
  readonly ids: number;
  readonly isSelected: (id: string) => boolean;
}

/**
 * Selects at most `maximum` ids. The selection depends on the seed, not on the order of the ids. Needs 8 bytes of memory
 * for each id.
 *
 * @param maximum null: all of them
 */
export async function selectBySeed(
  ids: AsyncIterable<{ readonly id: string }>,
  maximum: number | null,
  seed: number,
): Promise<Selection> {
  const keys = new Keys();
  for await (const { id } of ids) keys.add(selectionKey(seed, id));
  const last = maximum === null || keys.count <= maximum ? undefined : keys.sorted()[maximum - 1];
  return {
    ids: keys.count,
    isSelected: (id) => last === undefined || selectionKey(seed, id) <= last,
  };
}

/** The sort key of an id in the selection order. */
function selectionKey(seed: number, id: string): bigint {
  return BigInt(`0x${stableHash(seed, 'select', id)}`);
}

/** A growing list of 64-bit keys. */
class Keys {
  #keys = new BigUint64Array(1024);
  count = 0;

  add(key: bigint): void {
    if (this.count === this.#keys.length) {
      const larger = new BigUint64Array(2 * this.count);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    this.#keys[this.count] = key;
    this.count += 1;
  }

  sorted(): BigUint64Array {
    return this.#keys.subarray(0, this.count).sort();
  }
}
