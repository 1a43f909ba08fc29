import { randomUUID } from 'node:crypto';
import { lstat, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { makeFolder, onDisk } from '../artifacts/on-disk.ts';
import { writeFileAtomically } from '../artifacts/store.ts';

export const CARD_FILE = 'README.md';

/**
 * Makes `folder` a checkpoint with what is written about it (its card, `judge.json`), and a link to each of the model's
 * files. What is written can't stand in `model/` itself: what lies there is the model, known by the hash of its files, and
 * a card is written anew whenever there are new figures. Links cost no second copy of the weights; they are relative, so
 * that a store can be moved.
 *
 * @param texts by the names of their files
 */
export async function makeModelFolder(
  folder: string,
  model: string,
  files: readonly string[],
  texts: Readonly<Record<string, string>>,
): Promise<void> {
  await onDisk(folder, async () => {
    await makeFolder(folder);
    for (const name of await readdir(folder))
      if (!Object.hasOwn(texts, name) && !files.includes(name))
        await rm(join(folder, name), { recursive: true });
    for (const name of files) await linkTo(join(model, name), join(folder, name));
  });
  for (const [name, text] of Object.entries(texts)) await writeFileAtomically(join(folder, name), text);
}

async function linkTo(file: string, link: string): Promise<void> {
  const target = relative(dirname(link), file);
  if ((await targetOf(link)) === target) return;
  await makeFolder(dirname(link));
  const draft = `${link}.draft-${randomUUID()}`;
  await symlink(target, draft);
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
