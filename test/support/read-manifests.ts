import { glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Manifest } from '../../src/store/artifact.ts';

/** The manifests of a run's complete artifacts, by their paths in the store. */
export async function readManifests(storeRoot: string, runName: string): Promise<Map<string, Manifest>> {
  const found = new Map<string, Manifest>();
  for await (const path of glob(`${runName}/**/manifest.json`, { cwd: storeRoot })) {
    const text = await readFile(join(storeRoot, path), 'utf8');
    found.set(dirname(path), JSON.parse(text) as Manifest);
  }
  return found;
}
