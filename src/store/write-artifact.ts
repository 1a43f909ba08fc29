import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalJson } from '../platform/canonical-json.ts';
import { withStorageErrors } from '../platform/file-system.ts';
import type { ArtifactContent, Manifest } from './artifact.ts';
import { RECORDS_FILE } from './manifest.ts';
import type { ObjectBody, ObjectStore } from './objects/object-store.ts';

const LINES_PER_WRITE = 100;

type Lines = Iterable<unknown> | AsyncIterable<unknown>;

/**
 * Stores the files of one attempt to publish an artifact. The caller creates the manifest, which completes the
 * artifact. A file gets its own name, or one with a UUID if an earlier attempt has already stored an object under
 * that name.
 */
export class ArtifactWriter {
  readonly #objects: ObjectStore;
  readonly #uri: string;
  readonly #attempt = randomUUID();
  readonly #keys: string[] = [];
  readonly #storedAs: Record<string, string> = {};

  constructor(objects: ObjectStore, uri: string) {
    this.#objects = objects;
    this.#uri = uri;
  }

  /** Stores all files and returns the manifest that describes them. */
  async write(content: ArtifactContent): Promise<Manifest> {
    const records = await this.#putLines(RECORDS_FILE, content.records);
    const files: Record<string, string> = {};
    for (const [name, lines] of Object.entries(content.files ?? {})) {
      files[name] =
        typeof lines === 'function'
          ? await this.#putWritten(name, lines)
          : (await this.#putLines(name, lines)).sha256;
    }
    return {
      schema: 1,
      uri: this.#uri,
      ...records,
      fingerprint: content.fingerprint,
      counts: content.counts ?? {},
      ...(content.summary === undefined ? {} : { summary: content.summary }),
      ...(content.files === undefined ? {} : { files }),
      ...(Object.keys(this.#storedAs).length === 0 ? {} : { storedAs: this.#storedAs }),
      createdAt: new Date().toISOString(),
      createdOn: hostname(),
    };
  }

  /** Deletes the files after the attempt has failed. `gc` finds those that can't be deleted. */
  async discard(): Promise<void> {
    for (const key of this.#keys) await this.#objects.delete(key).catch(() => undefined);
  }

  async #putLines(name: string, lines: Lines): Promise<{ sha256: string; records: number; bytes: number }> {
    const hash = createHash('sha256');
    let records = 0;
    let bytes = 0;
    async function* blocks(): AsyncGenerator<Uint8Array> {
      let waiting: string[] = [];
      const take = (): Buffer => {
        const block = Buffer.from(waiting.join(''));
        waiting = [];
        hash.update(block);
        bytes += block.length;
        return block;
      };
      for await (const record of lines) {
        records += 1;
        if (waiting.push(`${canonicalJson(record)}\n`) >= LINES_PER_WRITE) yield take();
      }
      if (waiting.length > 0) yield take();
    }
    await this.#put(name, blocks());
    return { sha256: hash.digest('hex'), records, bytes };
  }

  /** Stores a file that `write` creates, and returns its SHA-256. */
  async #putWritten(name: string, write: (path: string) => Promise<void>): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'artifact-'));
    try {
      const path = join(folder, name);
      await withStorageErrors(path, () => write(path));
      const hash = createHash('sha256');
      async function* hashed(): AsyncGenerator<Uint8Array> {
        for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
          hash.update(piece as Buffer);
          yield piece as Buffer;
        }
      }
      await this.#put(name, hashed());
      return hash.digest('hex');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #put(name: string, body: ObjectBody): Promise<void> {
    const own = `${this.#uri}/${name}`;
    const other = `${this.#uri}/${this.#attempt}-${name}`;
    const key = await this.#objects.putUnderFreeKey([own, other], body, { sync: 'content' });
    if (key === undefined) throw new Error(`${this.#objects.locate(other)} exists already`);
    this.#keys.push(key);
    if (key === other) this.#storedAs[name] = `${this.#attempt}-${name}`;
  }
}

/** Returns whether `ArtifactWriter` gives a name of this form to files whose own name is already used. */
export function isAttemptFile(name: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-/.test(name);
}
