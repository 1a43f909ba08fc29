import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** The SHA-256 of a file's content, in hexadecimal digits. */
export async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Files below this size, in bytes, are hashed each time, which takes no longer than a lookup. */
const MIN_CACHED_BYTES = 1 << 20;

/**
 * Computes hashes of files. A large file is hashed only once per process while its inode, size and modification time
 * stay the same, because hashing takes about 1 s per GB.
 */
export class FileHashCache {
  readonly #hashes = new Map<string, { readonly stamp: string; readonly sha256: string }>();

  /** Undefined if there is no such file. */
  async sha256Of(file: string): Promise<string | undefined> {
    try {
      const { ino, size, mtimeNs } = await stat(file, { bigint: true });
      const stamp = `${ino} ${size} ${mtimeNs}`;
      const cached = this.#hashes.get(file);
      if (cached?.stamp === stamp) return cached.sha256;
      const sha256 = await fileSha256(file);
      if (size >= MIN_CACHED_BYTES) this.#hashes.set(file, { stamp, sha256 });
      return sha256;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}
