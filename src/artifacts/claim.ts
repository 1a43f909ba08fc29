import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArtifactDamaged } from './errors.ts';
import { makeFolder, onDisk, removeDraft } from './on-disk.ts';

/** A claim on a piece of work: the highest epoch holds it. */
export interface Claim<T> {
  readonly epoch: number;
  readonly holder: T;
}

/**
 * The newest claim in a folder, or undefined. Claims are files named by their epoch; each is put in place whole by
 * a hard link, which fails where the name is taken: a compare-and-set that works on a shared file system as well.
 */
export async function newestClaim<T>(folder: string): Promise<Claim<T> | undefined> {
  const epoch = await newestEpoch(folder);
  if (epoch === 0) return undefined;
  const file = join(folder, fileName(epoch));
  const text = await readFile(file, 'utf8');
  try {
    return { epoch, holder: JSON.parse(text) as T };
  } catch (error) {
    throw new ArtifactDamaged(
      `${file} is not JSON (${String(error)}): delete it, and the claim before counts`,
    );
  }
}

/**
 * Raises the epoch from `after` (0: unclaimed) to the next one for `holder`. False when somebody else has done it first:
 * look at the newest claim and decide again.
 */
export async function claim(folder: string, after: number, holder: unknown): Promise<boolean> {
  const draft = join(folder, `draft-${randomUUID()}`);
  try {
    await onDisk(folder, async () => {
      await makeFolder(folder);
      await writeFile(draft, `${JSON.stringify(holder)}\n`, { flush: true });
      await link(draft, join(folder, fileName(after + 1)));
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await removeDraft(draft);
  }
}

/** Takes the work over whoever holds it; returns the epoch that now fences all earlier ones out. */
export async function takeOver(folder: string, holder: unknown): Promise<number> {
  for (;;) {
    const epoch = await newestEpoch(folder);
    if (await claim(folder, epoch, holder)) return epoch + 1;
  }
}

/** The newest epoch in a folder; 0 where nobody has claimed it. */
export async function newestEpoch(folder: string): Promise<number> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  return Math.max(0, ...names.map((name) => Number(/^(\d{6})\.json$/.exec(name)?.[1] ?? 0)));
}

function fileName(epoch: number): string {
  return `${String(epoch).padStart(6, '0')}.json`;
}
