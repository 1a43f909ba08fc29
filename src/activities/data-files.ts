import { join } from 'node:path';
import { cacheFolder } from '../config/cache-folder.ts';
import { resolveInputs, type DataFile } from '../config/input-files.ts';
import { fetchHubFiles, findHubFiles, isHubUri, type HubAccess } from '../hub/hub-files.ts';
import type { Dependencies } from './dependencies.ts';

/**
 * The files that an entry of the configuration names, in order; those of the hub are fetched where they are missing.
 * A file is reported under the name that the configuration gives it, or the one by which a pattern found it.
 * @throws Error that says where it was looked for
 */
async function dataFiles(deps: Dependencies, entry: string): Promise<DataFile[]> {
  if (isHubUri(entry))
    return (await fetchHubFiles(entry, hubOf(deps))).map(({ uri, path }) => ({ name: uri, path }));
  const paths = await resolveInputs(deps.files, entry);
  const [only] = paths;
  if (only !== undefined && paths.length === 1) return [{ name: entry, path: only }];
  return paths.map((path) => ({ name: path, path }));
}

/**
 * The files that several entries name, each once: two patterns may meet the same one.
 * @throws Error that says where it was looked for
 */
export async function filesOf(deps: Dependencies, entries: readonly string[]): Promise<DataFile[]> {
  const found = (await Promise.all(entries.map((entry) => dataFiles(deps, entry)))).flat();
  return [...new Map(found.map((file) => [file.path, file])).values()];
}

/** Checks before any work that an entry names files that can be read; files of the hub are found, but not fetched yet. */
export async function checkEntry(
  deps: Dependencies,
  entry: string,
  checkFile: (path: string) => Promise<void>,
): Promise<void> {
  if (isHubUri(entry)) await findHubFiles(entry, hubOf(deps));
  else for (const { path } of await dataFiles(deps, entry)) await checkFile(path);
}

function hubOf({ environment }: Dependencies): HubAccess {
  return {
    url: environment['HF_ENDPOINT'] || 'https://huggingface.co',
    token: environment['HF_TOKEN'],
    cacheFolder: join(cacheFolder(environment, process.platform), 'hub'),
  };
}
