/** A store in a folder, which may be on a file system that several machines share. */
import { randomUUID } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { createReadStream } from 'node:fs';
import {
  link,
  lstat,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  type FileHandle,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import pLimit from 'p-limit';
import { syncFolder } from '../../platform/atomic-write.ts';
import {
  isLinkUnsupported,
  makeFolders,
  removeTemporary,
  withStorageErrors,
} from '../../platform/file-system.ts';
import { normalizeKey } from '../objects/keys.ts';
import { createIfAbsent, ifExists, removeIfStale, renameIfFree } from './guard-files.ts';
import type {
  AppendLog,
  Child,
  LocalFolder,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreDriver,
  StoredObject,
  StoreWords,
} from '../objects/object-store.ts';

/** Part of the name of an incomplete file: it is being written, or its process ended before it was complete. */
const TEMPORARY = /\.tmp-[\w-]+$/;

/** Number of concurrent file operations: a network folder may take milliseconds for each file. */
const CONCURRENT_STATS = 32;

const WORDS: StoreWords = {
  object: 'file',
  advice:
    'Use a folder on a local disk, on NFS 4 or on another file system that follows POSIX; a bucket that is mounted as a folder does not: give its address, s3://BUCKET/PREFIX',
};

export const folderDriver: StoreDriver = {
  accepts: (address) => !/^[a-z][a-z0-9+.-]*:/.test(address),
  resolve: (address) => resolve(address),
  open: (address) => openFolder(address),
};

/** @param hardLink replaced in tests by one that fails as on a file system without hard links */
export function openFolder(address: string, hardLink = link): ObjectStore {
  return new FolderStore(address, hardLink);
}

/**
 * Each object is a file. It is written under a temporary name, synced to the disk, and then renamed (`put`) or linked
 * (`putIfAbsent`: a link fails if the name is taken). If the file system has no hard links, a guard file protects the
 * rename; all machines must then see the same file system in the same way.
 */
class FolderStore implements ObjectStore {
  readonly address: string;
  readonly words = WORDS;
  readonly isRemote = false;
  readonly localRoot: string;
  readonly #hardLink: typeof link;
  /** Unset once the file system has refused a hard link. */
  #hasHardLinks = true;
  /** Folders that this process has created and that a power cut could still remove. */
  readonly #unsyncedFolders = new Set<string>();

  constructor(address: string, hardLink: typeof link) {
    this.address = resolve(address);
    this.localRoot = this.address;
    this.#hardLink = hardLink;
  }

  async exists(): Promise<boolean> {
    return (await ifExists(() => stat(this.address)))?.isDirectory() === true;
  }

  locate(key: string): string {
    return join(this.address, normalizeKey(key, this.address));
  }

  url(key: string): string {
    return pathToFileURL(this.locate(key)).href;
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const file = await openIfExists(this.locate(key));
    if (file === undefined) return undefined;
    try {
      const version = versionOf(await file.stat({ bigint: true }));
      return { content: await file.readFile(), version };
    } finally {
      await file.close();
    }
  }

  async stream(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const file = await openIfExists(this.locate(key));
    return file && createReadStream('', { fd: file, highWaterMark: 1 << 20 });
  }

  async tail(key: string, bytes: number): Promise<Buffer | undefined> {
    const file = await openIfExists(this.locate(key));
    if (file === undefined) return undefined;
    try {
      const { size } = await file.stat();
      const length = Math.min(size, bytes);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const found = await ifExists(() => stat(this.locate(key), { bigint: true }));
    return found?.isFile() === true ? toInfo(normalizeKey(key, this.address), found) : undefined;
  }

  async put(key: string, body: ObjectBody, { sync = 'all' }: PutOptions = {}): Promise<void> {
    const path = this.locate(key);
    await this.#withTemporary(path, body, sync, async (temporary) => {
      await rename(temporary, path);
      if (sync === 'all') await this.#syncName(path);
    });
  }

  async putIfAbsent(key: string, body: ObjectBody, options?: PutOptions): Promise<boolean> {
    return (await this.putUnderFreeKey([key], body, options)) !== undefined;
  }

  async putUnderFreeKey(
    keys: readonly string[],
    body: ObjectBody,
    { sync = 'all' }: PutOptions = {},
  ): Promise<string | undefined> {
    const [first = ''] = keys;
    return this.#withTemporary(this.locate(first), body, sync, async (temporary) => {
      for (const key of keys) {
        const path = this.locate(key);
        if (!(await this.#nameIfFree(temporary, path))) continue;
        if (sync === 'all') await this.#syncName(path);
        return key;
      }
      return undefined;
    });
  }

  /**
   * The process that creates the guard file, whose name is derived from the version, may replace that version; all
   * others get false. A guard whose process has ended is removed after half a minute.
   */
  async replaceIfVersion(key: string, body: ObjectBody, version: string): Promise<boolean> {
    const path = this.locate(key);
    const guard = `${path}.tmp-after-${version}`;
    const isCurrent = async (): Promise<boolean> => (await this.head(key))?.version === version;
    if (!(await isCurrent())) return false;
    return this.#withTemporary(path, body, 'all', async (temporary) => {
      await removeIfStale(guard, temporary);
      if (!(await createIfAbsent(guard))) return false;
      try {
        // The object may have been replaced between the first check and the guard.
        if (!(await isCurrent())) return false;
        await rename(temporary, path);
        await this.#syncName(path);
        return true;
      } finally {
        await rm(guard, { force: true });
      }
    });
  }

  async move(key: string, to: string): Promise<boolean> {
    const [from, target] = [this.locate(key), this.locate(to)];
    const isMoved = await withStorageErrors(target, async () => {
      if ((await ifExists(() => lstat(from))) === undefined) return false;
      await this.#inFolder(target, () => rename(from, target));
      return true;
    });
    if (isMoved) await this.#removeEmptyFolders(from);
    return isMoved;
  }

  async delete(key: string): Promise<void> {
    const path = this.locate(key);
    await withStorageErrors(path, () => rm(path, { force: true, maxRetries: 3 }));
    await this.#removeEmptyFolders(path);
  }

  async children(prefix: string): Promise<Child[]> {
    const entries = (await ifExists(() => readdir(this.locate(prefix), { withFileTypes: true }))) ?? [];
    return entries
      .filter(({ name }) => !TEMPORARY.test(name))
      .map((entry): Child => ({ name: entry.name, kind: entry.isDirectory() ? 'prefix' : 'object' }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    return (await this.#files(prefix)).filter(({ key }) => !TEMPORARY.test(key));
  }

  async listIncomplete(prefix: string): Promise<ObjectInfo[]> {
    return (await this.#files(prefix)).filter(({ key }) => TEMPORARY.test(key));
  }

  async openLog(key: string): Promise<AppendLog> {
    const path = this.locate(key);
    return withStorageErrors(path, async () => {
      const file = await this.#inFolder(path, () => open(path, 'ax'));
      return {
        syncIntervalMs: 250,
        append: (text) => withStorageErrors(path, () => file.appendFile(text)),
        sync: () => withStorageErrors(path, () => file.datasync()),
        close: () => withStorageErrors(path, () => file.close()),
      };
    });
  }

  async localFolder(prefix: string): Promise<LocalFolder> {
    const nothing = (): Promise<void> => Promise.resolve();
    return { path: this.locate(prefix), publish: nothing, release: nothing };
  }

  async freeBytes(): Promise<number | undefined> {
    // The folder may not exist yet.
    let folder = this.address;
    while ((await ifExists(() => stat(folder))) === undefined && folder !== dirname(folder))
      folder = dirname(folder);
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  }

  async #files(prefix: string): Promise<ObjectInfo[]> {
    const limit = pLimit(CONCURRENT_STATS);
    const found: ObjectInfo[] = [];
    const walk = async (folder: string): Promise<void> => {
      const path = this.locate(folder);
      const entries = (await limit(() => ifExists(() => readdir(path, { withFileTypes: true })))) ?? [];
      await Promise.all(
        entries.map(async (entry) => {
          const key = folder === '' ? entry.name : `${folder}/${entry.name}`;
          if (entry.isDirectory()) return walk(key);
          const stats = await limit(() => ifExists(() => lstat(join(path, entry.name), { bigint: true })));
          if (stats !== undefined) found.push(toInfo(key, stats));
        }),
      );
    };
    await walk(normalizeKey(prefix, this.address));
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Gives a complete file a name. Returns false if the name is taken. */
  async #nameIfFree(temporary: string, path: string): Promise<boolean> {
    if (this.#hasHardLinks)
      try {
        await this.#hardLink(temporary, path);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
        if (!isLinkUnsupported(error)) throw error;
        this.#hasHardLinks = false;
      }
    return renameIfFree(temporary, path);
  }

  async #withTemporary<T>(
    path: string,
    body: ObjectBody,
    sync: PutOptions['sync'],
    use: (temporary: string) => Promise<T>,
  ): Promise<T> {
    const temporary = `${path}.tmp-${randomUUID()}`;
    return withStorageErrors(path, async () => {
      try {
        const file = await this.#inFolder(path, () => open(temporary, 'wx'));
        try {
          await writeBody(file, body);
          if (sync !== 'none') await file.sync();
        } finally {
          await file.close();
        }
        return await use(temporary);
      } catch (error) {
        await removeTemporary(temporary);
        await this.#removeEmptyFolders(path);
        throw error;
      } finally {
        await removeTemporary(temporary);
      }
    });
  }

  /**
   * Creates the folder of `path` if `write` finds it missing. Another process may delete it again while it is empty.
   */
  async #inFolder<T>(path: string, write: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await write();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt > 10) throw error;
      }
      const folder = dirname(path);
      await makeFolders(folder);
      this.#unsyncedFolders.add(folder);
    }
  }

  /**
   * Syncs the folder, so that a file's name survives a power cut: a workflow's history may refer to it from now on.
   */
  async #syncName(path: string): Promise<void> {
    let folder = dirname(path);
    await ifExists(() => syncFolder(folder));
    while (this.#unsyncedFolders.delete(folder)) {
      folder = dirname(folder);
      await ifExists(() => syncFolder(folder));
    }
  }

  async #removeEmptyFolders(path: string): Promise<void> {
    try {
      for (let folder = dirname(path); folder !== this.address; folder = dirname(folder)) await rmdir(folder);
    } catch {
      // The folder is not empty, or another process has deleted it.
    }
  }
}

/**
 * Opens a file for reading. A file system in user space (FUSE) may report a file as missing in the moment in which another one
 * takes its name, so a file that then exists is opened again.
 */
async function openIfExists(path: string): Promise<FileHandle | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const file = await ifExists(() => open(path, 'r'));
    if (file !== undefined || attempt === 10 || (await ifExists(() => stat(path))) === undefined) return file;
  }
}

async function writeBody(file: FileHandle, body: ObjectBody): Promise<void> {
  if (typeof body === 'string' || body instanceof Uint8Array) return file.writeFile(body);
  for await (const piece of body) await file.writeFile(piece);
}

function toInfo(key: string, stats: BigIntStats): ObjectInfo {
  return { key, bytes: Number(stats.size), version: versionOf(stats), modifiedAt: stats.mtime };
}

function versionOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino}-${size}-${mtimeNs}`;
}
