import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** The SHA-256 of a file's content, in hexadecimal digits. */
export async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * The paths of a folder's files in it, sorted. Links to files are files: the hub's cache and the outputs of a run consist of
 * them. Links to folders are not followed, because they may lead back.
 */
export async function filesIn(
  folder: string,
  options: { readonly recursive?: boolean } = {},
): Promise<string[]> {
  const entries = await readdir(folder, { ...options, withFileTypes: true });
  const paths = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }));
  const files: string[] = [];
  for (const { entry, path } of paths) {
    const found = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
    if (found?.isFile() === true) files.push(relative(folder, path));
  }
  return files.sort();
}
