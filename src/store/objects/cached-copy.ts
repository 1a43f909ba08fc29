/**
 * Copies of objects on this machine, for programs that read files, such as a model server that loads a checkpoint. All processes
 * of the machine share a copy, and it is kept until its room is needed.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, rename, rm, statfs, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { withLock } from '../../platform/file-lock.ts';
import { listNames, makeFolders, statIfExists, withStorageErrors } from '../../platform/file-system.ts';
import { forEachConcurrently } from '../../platform/for-each-concurrently.ts';
import type { ObjectInfo, ObjectStore } from './object-store.ts';

const CONCURRENT_COPIES = 8;
/** A copy that was asked for this recently is not removed to make room: a program may be about to read it. */
const IN_USE_MS = 6 * 3_600_000;
/** The share of the disk that is left free. */
const FREE_SHARE = 0.05;

/**
 * Returns a folder with the objects below a prefix, which only holds them as they are: if an object was replaced since, the
 * copy has another name. A copy is made under a temporary name and renamed, so that it is complete or not there.
 * @param folder the folder of all copies of this store
 */
export async function cachedCopy(objects: ObjectStore, prefix: string, folder: string): Promise<string> {
  const listed = await objects.list(prefix);
  const path = join(folder, copyName(objects, prefix, listed));
  return withStorageErrors(path, async () => {
    await makeFolders(folder);
    // The other processes wait for the one that copies.
    return withLock(`${path}.lock`, async () => {
      if (!(await isComplete(path, prefix, listed))) {
        await rm(path, { recursive: true, force: true });
        await makeRoom(folder, sum(listed));
        await copy(objects, prefix, listed, path);
      }
      // The time of the last use.
      const now = new Date();
      await utimes(path, now, now);
      return path;
    });
  });
}

/** Removes all copies of a prefix from this machine. */
export async function removeCachedCopies(
  objects: ObjectStore,
  prefix: string,
  folder: string,
): Promise<void> {
  const start = prefixName(objects, prefix);
  for (const name of await listNames(folder))
    if (name.startsWith(start)) await rm(join(folder, name), { recursive: true, force: true });
}

function copyName(objects: ObjectStore, prefix: string, listed: readonly ObjectInfo[]): string {
  const contents = listed.map(({ key, bytes, version }) => `${key} ${bytes} ${version}`);
  return `${prefixName(objects, prefix)}${hash(contents.join('\n'))}`;
}

function prefixName(objects: ObjectStore, prefix: string): string {
  return `${hash(objects.locate(prefix))}-`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function fileOf(path: string, prefix: string, { key }: ObjectInfo): string {
  return join(path, key.slice(prefix.length + 1));
}

async function isComplete(path: string, prefix: string, listed: readonly ObjectInfo[]): Promise<boolean> {
  for (const info of listed)
    if ((await statIfExists(fileOf(path, prefix, info)))?.size !== info.bytes) return false;
  return listed.length > 0;
}

async function copy(
  objects: ObjectStore,
  prefix: string,
  listed: readonly ObjectInfo[],
  path: string,
): Promise<void> {
  const draft = `${path}.tmp-${randomUUID()}`;
  try {
    await makeFolders(draft);
    await forEachConcurrently(listed, CONCURRENT_COPIES, async (info) => {
      const content = await objects.stream(info.key);
      if (content === undefined)
        throw new Error(`${objects.locate(info.key)} was deleted while it was copied`);
      const file = fileOf(draft, prefix, info);
      await makeFolders(dirname(file));
      await pipeline(content, createWriteStream(file, { flush: true }));
    });
    await rename(draft, path);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Removes the copies that were not used for longest until so many bytes fit, and what interrupted copies have left. */
async function makeRoom(folder: string, bytes: number): Promise<void> {
  const copies: { readonly path: string; readonly usedAt: number }[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    const found = await statIfExists(path);
    if (found !== undefined && Date.now() - found.mtimeMs > IN_USE_MS)
      copies.push({ path, usedAt: entry.name.includes('.tmp-') ? 0 : found.mtimeMs });
  }
  for (const { path, usedAt } of copies.sort((a, b) => a.usedAt - b.usedAt)) {
    const { bavail, blocks, bsize } = await statfs(folder);
    const isRoom = bavail * bsize > bytes + FREE_SHARE * blocks * bsize;
    if (usedAt > 0 && isRoom) return;
    await rm(path, { recursive: true, force: true });
  }
}

function sum(listed: readonly ObjectInfo[]): number {
  return listed.reduce((total, { bytes }) => total + bytes, 0);
}
