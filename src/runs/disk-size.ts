import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';

/** A store on a network may take milliseconds for each. */
const LOOKS_AT_ONCE = 32;

/** The bytes of all files in a file or folder; links count as themselves, and what vanishes meanwhile as nothing. */
export async function diskSize(path: string): Promise<number> {
  const limit = pLimit(LOOKS_AT_ONCE);
  const sizeOf = async (each: string): Promise<number> => {
    const found = await limit(() => orNothing(() => lstat(each)));
    if (found === undefined) return 0;
    if (!found.isDirectory()) return found.size;
    const names = (await limit(() => orNothing(() => readdir(each)))) ?? [];
    const sizes = await Promise.all(names.map((name) => sizeOf(join(each, name))));
    return sizes.reduce((sum, size) => sum + size, 0);
  };
  return sizeOf(path);
}

async function orNothing<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
