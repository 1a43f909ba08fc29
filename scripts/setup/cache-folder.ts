import { mkdirSync, statfsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { SetupError } from './setup-error.ts';

/**
 * The folder outside the checkout that keeps the Temporal CLI and the Python environment: `SELF_TAUGHT_EVALUATOR_CACHE`,
 * else `self-taught-evaluator` in the user's cache folder.
 */
export function cacheFolder(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const named = environment.SELF_TAUGHT_EVALUATOR_CACHE;
  if (named) return named;
  const home = environment.HOME ?? homedir();
  const base = environment.XDG_CACHE_HOME || join(home, platform === 'darwin' ? 'Library/Caches' : '.cache');
  return join(base, 'self-taught-evaluator');
}

/** {@link cacheFolder}, made where it is missing. Throws SetupError where it cannot be. */
export function makeCacheFolder(): string {
  const folder = cacheFolder();
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

/**
 * Throws SetupError when the disk that holds the folder has too little space.
 *
 * @param needed gigabytes (10^9 bytes)
 */
export function requireSpace(folder: string, needed: number, what: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / 1e9;
  if (free >= needed) return;
  throw new SetupError(
    `${what} needs ${needed} GB in ${folder}, and ${free.toFixed(1)} GB are free.\n` +
      'Make room, or set SELF_TAUGHT_EVALUATOR_CACHE to a folder on a larger disk.',
  );
}
