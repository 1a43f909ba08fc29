import { mkdirSync, statfsSync } from 'node:fs';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { SetupError } from '../../platform/setup-error.ts';

/** Creates {@link cacheFolder} if it is missing. Throws SetupError if that fails. */
export function ensureCacheFolder(): string {
  const folder = cacheFolder(process.env, process.platform);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new SetupError(
      `Cannot create the cache folder ${folder}: ${error instanceof Error ? error.message : String(error)}\n` +
        'Set SELF_TAUGHT_EVALUATOR_CACHE to a writable folder.',
    );
  }
  return folder;
}

/** Free space of the folder's disk, in gigabytes (10^9 bytes). */
export function freeGigabytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return (bavail * bsize) / 1e9;
}

/**
 * Throws SetupError if the folder's disk has too little space.
 *
 * @param needed gigabytes (10^9 bytes)
 */
export function requireDiskSpace(folder: string, needed: number, what: string): void {
  const free = freeGigabytes(folder);
  if (free >= needed) return;
  throw new SetupError(
    `${what} needs ${needed} GB in ${folder}, but only ${free.toFixed(1)} GB are free.\n` +
      'Free some space, or set SELF_TAUGHT_EVALUATOR_CACHE to a folder on a larger disk.',
  );
}
