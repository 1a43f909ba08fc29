import { resolveInputs } from '../config/input-files.ts';
import type { PoolFile } from '../pools/collect-instructions.ts';
import type { Dependencies } from './dependencies.ts';

/**
 * The files that one entry of `instructions.pool` names, in order. A file is reported under the name that the
 * configuration gives it, and under its own path where a pattern found it.
 * @throws Error that says where it was looked for
 */
export async function poolFiles(deps: Dependencies, entry: string): Promise<PoolFile[]> {
  const paths = await resolveInputs(deps.files, entry);
  const [only] = paths;
  if (only !== undefined && paths.length === 1) return [{ name: entry, path: only }];
  return paths.map((path) => ({ name: path, path }));
}
