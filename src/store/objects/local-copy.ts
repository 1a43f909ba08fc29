import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { forEachConcurrently } from '../../platform/for-each-concurrently.ts';
import type { LocalFolder, ObjectStore } from './object-store.ts';

const CONCURRENT_COPIES = 8;

/** The folder of this machine for the files of a store whose objects are no files. */
export function localRootOf(address: string): string {
  const name = createHash('sha256').update(address).digest('hex').slice(0, 16);
  return join(cacheFolder(process.env, process.platform), 'stores', name);
}

/** A temporary folder with a copy of the objects below a prefix, for stores whose objects are not files. */
export async function copyToLocalFolder(objects: ObjectStore, prefix: string): Promise<LocalFolder> {
  await mkdir(objects.localRoot, { recursive: true });
  const path = await mkdtemp(join(objects.localRoot, 'copy-'));
  const keyOf = (file: string): string => `${prefix}/${relative(path, file).split(sep).join('/')}`;
  await forEachConcurrently(await objects.list(prefix), CONCURRENT_COPIES, async ({ key }) => {
    const content = await objects.stream(key);
    if (content === undefined) return;
    const file = join(path, key.slice(prefix.length + 1));
    await mkdir(dirname(file), { recursive: true });
    await pipeline(content, createWriteStream(file));
  });
  const unchanged = await stampsBelow(path);
  return {
    path,
    async publish() {
      const current = await stampsBelow(path);
      const changed = [...current].filter(([file, stamp]) => unchanged.get(file) !== stamp);
      await forEachConcurrently(changed, CONCURRENT_COPIES, ([file]) =>
        objects.put(keyOf(file), createReadStream(file)),
      );
      for (const file of unchanged.keys()) if (!current.has(file)) await objects.delete(keyOf(file));
      unchanged.clear();
      for (const [file, stamp] of current) unchanged.set(file, stamp);
    },
    release: () => rm(path, { recursive: true, force: true }),
  };
}

/** Size and modification time by path, for recognizing files that were written since. */
async function stampsBelow(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map(({ parentPath, name }) => join(parentPath, name));
  const stamps = new Map<string, string>();
  for (const file of files.sort()) {
    // A link is stored as the content of its file.
    const found = await stat(file, { bigint: true });
    if (found.isFile()) stamps.set(file, `${found.size} ${found.mtimeNs}`);
  }
  return stamps;
}
