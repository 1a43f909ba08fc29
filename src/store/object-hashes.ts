import { createHash } from 'node:crypto';
import type { ObjectStore } from './objects/object-store.ts';

/** Objects below this size, in bytes, are hashed each time, which takes no longer than a lookup. */
const MIN_CACHED_BYTES = 1 << 20;

/**
 * Computes SHA-256 of objects. A large object is hashed once for each version, because hashing takes about 1 s per
 * GB.
 */
export class ObjectHashes {
  readonly #objects: ObjectStore;
  readonly #cached = new Map<string, { readonly version: string; readonly sha256: string }>();

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  /** Hexadecimal digits; undefined if there is no such object. */
  async sha256Of(key: string): Promise<string | undefined> {
    const info = await this.#objects.head(key);
    if (info === undefined) return undefined;
    const cached = this.#cached.get(key);
    if (cached?.version === info.version) return cached.sha256;
    const content = await this.#objects.stream(key);
    if (content === undefined) return undefined;
    const hash = createHash('sha256');
    for await (const piece of content) hash.update(piece);
    const sha256 = hash.digest('hex');
    if (info.bytes >= MIN_CACHED_BYTES) this.#cached.set(key, { version: info.version, sha256 });
    return sha256;
  }
}
