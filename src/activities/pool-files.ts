import { join } from 'node:path';
import { cacheFolder } from '../config/cache-folder.ts';
import { resolveInputs } from '../config/input-files.ts';
import { fetchHubFiles, findHubFiles, isHubUri, type HubAccess } from '../hub/hub-files.ts';
import type { PoolFile } from '../pools/collect-instructions.ts';
import type { LayoutName } from '../pools/layout-names.ts';
import { checkPoolFile } from '../pools/read-pool-file.ts';
import type { Dependencies } from './dependencies.ts';

type InputDependencies = Pick<Dependencies, 'files' | 'environment'>;

/**
 * The files that one entry of `instructions.pool` names, in order; those of the hub are fetched where they are missing.
 * A file is reported under the name that the configuration gives it, or the one by which a pattern found it.
 * @throws Error that says where it was looked for
 */
export async function poolFiles(deps: InputDependencies, entry: string): Promise<PoolFile[]> {
  if (isHubUri(entry))
    return (await fetchHubFiles(entry, hubOf(deps))).map(({ uri, path }) => ({ name: uri, path }));
  const paths = await resolveInputs(deps.files, entry);
  const [only] = paths;
  if (only !== undefined && paths.length === 1) return [{ name: entry, path: only }];
  return paths.map((path) => ({ name: path, path }));
}

/** Checks before any work that an entry names files that can be read; files of the hub are found, but not fetched yet. */
export async function checkPoolEntry(
  deps: InputDependencies,
  entry: string,
  layout: LayoutName | 'auto',
): Promise<void> {
  if (isHubUri(entry)) await findHubFiles(entry, hubOf(deps));
  else for (const { path } of await poolFiles(deps, entry)) await checkPoolFile(path, layout);
}

function hubOf({ environment }: InputDependencies): HubAccess {
  return {
    url: environment['HF_ENDPOINT'] || 'https://huggingface.co',
    token: environment['HF_TOKEN'],
    cacheFolder: join(cacheFolder(environment, process.platform), 'hub'),
  };
}
