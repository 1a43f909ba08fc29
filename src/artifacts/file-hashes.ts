import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** The SHA-256 of a file's content, in hexadecimal digits. */
export async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Files below this size, in bytes, are hashed anew each time: it takes no longer than to remember them. */
const WORTH_REMEMBERING = 1 << 20;

/**
 * Hashes of files, each big file once: as long as inode, size and time of change stay the same, it counts as unchanged
 * for this process. Hashing takes about 1 s for each GB.
 */
export class FileHashes {
  readonly #known = new Map<string, { readonly stamp: string; readonly sha256: string }>();

  /** Undefined where there is no such file. */
  async of(file: string): Promise<string | undefined> {
    try {
      const { ino, size, mtimeNs } = await stat(file, { bigint: true });
      const stamp = `${ino} ${size} ${mtimeNs}`;
      const known = this.#known.get(file);
      if (known?.stamp === stamp) return known.sha256;
      const sha256 = await fileSha256(file);
      if (size >= WORTH_REMEMBERING) this.#known.set(file, { stamp, sha256 });
      return sha256;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}
