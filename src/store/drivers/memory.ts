/** A store in the memory of this process, for tests. Like a remote store, it has no files. */
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { normalizeKey } from '../objects/keys.ts';
import { copyToLocalFolder } from '../objects/local-copy.ts';
import { ObjectPerFlushLog } from '../objects/object-per-flush-log.ts';
import type {
  AppendLog,
  Child,
  LocalFolder,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  StoreDriver,
  StoredObject,
  StoreWords,
} from '../objects/object-store.ts';

interface Entry {
  readonly content: Buffer;
  readonly version: string;
  readonly modifiedAt: Date;
}

/** The objects by the names of stores: everything that opens `memory:NAME` or `memory:NAME/PREFIX` gets the same. */
const stores = new Map<string, Map<string, Entry>>();

export const memoryDriver: StoreDriver = {
  accepts: (address) => address.startsWith('memory:'),
  resolve: (address) => address,
  open(address) {
    const [name = '', ...prefix] = address.split('/');
    const entries = stores.get(name) ?? new Map<string, Entry>();
    stores.set(name, entries);
    return new MemoryStore(address, entries, prefix.join('/'));
  },
};

const WORDS: StoreWords = { object: 'object', advice: 'Use a store that outlives this process' };

class MemoryStore implements ObjectStore {
  readonly address: string;
  readonly words = WORDS;
  readonly isRemote = true;
  readonly localRoot = tmpdir();
  readonly #entries: Map<string, Entry>;
  /** The beginning of the keys of all its objects. */
  readonly #prefix: string;

  constructor(address: string, entries: Map<string, Entry>, prefix: string) {
    this.address = address;
    this.#entries = entries;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
  }

  async exists(): Promise<boolean> {
    return true;
  }

  locate(key: string): string {
    return `${this.address}/${normalizeKey(key, this.address)}`;
  }

  url(key: string): string {
    return this.locate(key);
  }

  async get(key: string): Promise<StoredObject | undefined> {
    return this.#entries.get(this.#key(key));
  }

  async stream(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const entry = this.#entries.get(this.#key(key));
    return entry && pieces(entry.content);
  }

  async tail(key: string, bytes: number): Promise<Buffer | undefined> {
    const content = this.#entries.get(this.#key(key))?.content;
    return content?.subarray(Math.max(0, content.length - bytes));
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const entry = this.#entries.get(this.#key(key));
    return entry && toInfo(normalizeKey(key, this.address), entry);
  }

  async put(key: string, body: ObjectBody): Promise<void> {
    const normal = this.#key(key);
    this.#entries.set(normal, toEntry(await contentOf(body)));
  }

  async putIfAbsent(key: string, body: ObjectBody): Promise<boolean> {
    return (await this.putUnderFreeKey([key], body)) !== undefined;
  }

  async putUnderFreeKey(keys: readonly string[], body: ObjectBody): Promise<string | undefined> {
    const content = await contentOf(body);
    const free = keys.find((key) => !this.#entries.has(this.#key(key)));
    if (free !== undefined) this.#entries.set(this.#key(free), toEntry(content));
    return free;
  }

  async replaceIfVersion(key: string, body: ObjectBody, version: string): Promise<boolean> {
    const normal = this.#key(key);
    const content = await contentOf(body);
    if (this.#entries.get(normal)?.version !== version) return false;
    this.#entries.set(normal, toEntry(content));
    return true;
  }

  async move(key: string, to: string): Promise<boolean> {
    const [from, target] = [this.#key(key), this.#key(to)];
    const entry = this.#entries.get(from);
    if (entry === undefined) return false;
    this.#entries.set(target, toEntry(entry.content));
    this.#entries.delete(from);
    return true;
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(this.#key(key));
  }

  async children(prefix: string): Promise<Child[]> {
    const start = this.#start(prefix);
    const kinds = new Map<string, Child['kind']>();
    for (const key of this.#entries.keys()) {
      if (!key.startsWith(start)) continue;
      const [name = '', ...more] = key.slice(start.length).split('/');
      kinds.set(name, more.length > 0 ? 'prefix' : 'object');
    }
    return [...kinds].map(([name, kind]) => ({ name, kind })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    const start = this.#start(prefix);
    return [...this.#entries]
      .filter(([key]) => key.startsWith(start))
      .map(([key, entry]) => toInfo(key.slice(this.#prefix.length), entry))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async listIncomplete(): Promise<ObjectInfo[]> {
    return [];
  }

  async openLog(key: string): Promise<AppendLog> {
    return new ObjectPerFlushLog(this, key);
  }

  localFolder(prefix: string): Promise<LocalFolder> {
    return copyToLocalFolder(this, prefix);
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined;
  }

  #key(key: string): string {
    return this.#prefix + normalizeKey(key, this.address);
  }

  #start(prefix: string): string {
    const normal = normalizeKey(prefix, this.address);
    return this.#prefix + (normal === '' ? '' : `${normal}/`);
  }
}

async function contentOf(body: ObjectBody): Promise<Buffer> {
  if (typeof body === 'string') return Buffer.from(body);
  if (body instanceof Uint8Array) return Buffer.from(body);
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

async function* pieces(content: Buffer): AsyncGenerator<Uint8Array> {
  yield content;
}

function toEntry(content: Buffer): Entry {
  return { content, version: randomUUID(), modifiedAt: new Date() };
}

function toInfo(key: string, { content, version, modifiedAt }: Entry): ObjectInfo {
  return { key, bytes: content.length, version, modifiedAt };
}
