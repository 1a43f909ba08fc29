import { join } from 'node:path';
import { homeFolder } from './user.ts';

/**
 * The folder outside the checkout for downloads (the Temporal CLI, the Python environment, files of the Hugging Face
 * hub): `SELF_TAUGHT_EVALUATOR_CACHE`, otherwise `self-taught-evaluator` in the user's cache folder.
 */
export function cacheFolder(
  environment: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
): string {
  const named = environment['SELF_TAUGHT_EVALUATOR_CACHE'];
  if (named) return named;
  const base =
    environment['XDG_CACHE_HOME'] ||
    join(homeFolder(environment), platform === 'darwin' ? 'Library/Caches' : '.cache');
  return join(base, 'self-taught-evaluator');
}
