import { randomUUID } from 'node:crypto';
import { copyFile, lstat, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isLinkUnsupported, makeFolders, withStorageErrors } from '../../platform/file-system.ts';
import { writeFileAtomically } from '../../platform/atomic-write.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';

/**
 * Makes a folder with links to the model's files, its card and `judge.json`. The texts can't be in `model/` itself, because
 * a model is identified by the hashes of the files there, and the card is rewritten with each new evaluation. Links avoid a
 * second copy of the weights; they are relative, so that the store can be moved.
 *
 * @param texts the contents of text files by name
 */
export async function makeModelFolder(
  folder: string,
  model: string,
  files: readonly string[],
  texts: Readonly<Record<string, string>>,
): Promise<void> {
  await withStorageErrors(folder, async () => {
    await makeFolders(folder);
    for (const name of await readdir(folder))
      if (!Object.hasOwn(texts, name) && !files.some((file) => file === name || file.startsWith(`${name}/`)))
        await rm(join(folder, name), { recursive: true });
    for (const name of files) await linkTo(join(model, name), join(folder, name));
  });
  for (const [name, text] of Object.entries(texts)) await writeFileAtomically(join(folder, name), text);
}

/**
 * The same in a bucket, which has no links: copies of the model's files, through this process but not on its disk. A file that
 * is there already is not copied again.
 * @param model the prefix of the model
 */
export async function putModelFolder(
  objects: ObjectStore,
  folder: string,
  model: string,
  files: readonly string[],
  texts: Readonly<Record<string, string>>,
): Promise<void> {
  const present = new Map(
    (await objects.list(folder)).map((info) => [info.key.slice(folder.length + 1), info]),
  );
  for (const name of present.keys())
    if (!Object.hasOwn(texts, name) && !files.includes(name)) await objects.delete(`${folder}/${name}`);
  for (const name of files) {
    const source = await objects.head(`${model}/${name}`);
    if (source !== undefined && present.get(name)?.version === source.version) continue;
    const content = await objects.stream(`${model}/${name}`);
    if (content === undefined)
      throw new Error(`${objects.locate(`${model}/${name}`)} was deleted while it was exported`);
    await objects.put(`${folder}/${name}`, content);
  }
  for (const [name, text] of Object.entries(texts)) await objects.put(`${folder}/${name}`, text);
}

async function linkTo(file: string, link: string): Promise<void> {
  const target = relative(dirname(link), file);
  if ((await targetOf(link)) === target) return;
  await makeFolders(dirname(link));
  const draft = `${link}.tmp-${randomUUID()}`;
  try {
    await symlink(target, draft);
  } catch (error) {
    // exFAT and some network file systems have no links.
    if (!isLinkUnsupported(error)) throw error;
    await copyFile(file, draft);
  }
  await rename(draft, link);
}

async function targetOf(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
