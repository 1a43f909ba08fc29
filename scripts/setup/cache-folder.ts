import { mkdirSync, statfsSync } from 'node:fs';
import { cacheFolder } from '../../src/config/cache-folder.ts';
import { SetupError } from './setup-error.ts';

/** {@link cacheFolder}, made where it is missing. Throws SetupError where it cannot be. */
export function makeCacheFolder(): string {
  const folder = cacheFolder(process.env, process.platform);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new SetupError(
      `Cannot make the cache folder ${folder}: ${error instanceof Error ? error.message : String(error)}\n` +
        'Set SELF_TAUGHT_EVALUATOR_CACHE to a folder that can be written.',
    );
  }
  return folder;
}

/** Gigabytes (10^9 bytes) that are free on the disk that holds the folder. */
export function freeSpace(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return (bavail * bsize) / 1e9;
}

/**
 * Throws SetupError when the disk that holds the folder has too little space.
 *
 * @param needed gigabytes (10^9 bytes)
 */
export function requireSpace(folder: string, needed: number, what: string): void {
  const free = freeSpace(folder);
  if (free >= needed) return;
  throw new SetupError(
    `${what} needs ${needed} GB in ${folder}, and ${free.toFixed(1)} GB are free.\n` +
      'Make room, or set SELF_TAUGHT_EVALUATOR_CACHE to a folder on a larger disk.',
  );
}
