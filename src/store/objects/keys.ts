import { posix } from 'node:path';

/**
 * Normalizes a key or a prefix: no `.` and no empty part.
 * @throws Error if it leads out of the store
 */
export function normalizeKey(key: string, address: string): string {
  const normal = posix.normalize(key).replace(/\/$/, '');
  if (normal === '..' || normal.startsWith('../') || posix.isAbsolute(normal))
    throw new Error(`artifact uri ${JSON.stringify(key)} leads out of the store ${address}`);
  return normal === '.' ? '' : normal;
}
