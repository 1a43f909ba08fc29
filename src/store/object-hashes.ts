import { createHash } from 'node:crypto';
import type { ObjectStore } from './objects/object-store.ts';

/** Objects below this size, in bytes, are hashed each time, which takes no longer than a lookup. */
const MIN_CACHED_BYTES = 1 << 20;

/** The hashes that this process has computed, by the places of the objects. */
const cached = new Map<string, { readonly version: string; readonly sha256: string }>();

/**
 * Computes SHA-256 of objects. A large object is hashed once for each version, because hashing takes about 1 s per
 * GB.
 */
export class ObjectHashes {
  readonly #objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  /** Hexadecimal digits; undefined if there is no such object. */
  async sha256Of(key: string): Promise<string | undefined> {
    const info = await this.#objects.head(key);
    if (info === undefined) return undefined;
    const place = this.#objects.locate(key);
    const known = cached.get(place);
    if (known?.version === info.version) return known.sha256;
    const content = await this.#objects.stream(key);
    if (content === undefined) return undefined;
    const hash = createHash('sha256');
    for await (const piece of content) hash.update(piece);
    const sha256 = hash.digest('hex');
    if (info.bytes >= MIN_CACHED_BYTES) cached.set(place, { version: info.version, sha256 });
    return sha256;
  }
}
