import { join } from 'node:path';
import { cacheFolder } from '../config/cache-folder.ts';
import { resolveInputs } from '../config/input-files.ts';
import {
  fetchedHubFiles,
  fetchHubFiles,
  findHubFiles,
  isHubUri,
  type HubAccess,
  type HubFile,
} from '../hub/hub-files.ts';
import type { PoolFile } from '../pools/collect-instructions.ts';
import type { LayoutName } from '../pools/layout-names.ts';
import { checkPoolFile } from '../pools/read-pool-file.ts';
import type { Dependencies } from './dependencies.ts';

type PoolDependencies = Pick<Dependencies, 'files' | 'environment'>;

/**
 * The files that one entry of `instructions.pool` names, in order; those of the hub are fetched where they are missing.
 * A file is reported under the name that the configuration gives it, or the one by which a pattern found it.
 * @throws Error that says where it was looked for
 */
export async function poolFiles(deps: PoolDependencies, entry: string): Promise<PoolFile[]> {
  if (isHubUri(entry)) return hubPoolFiles(await fetchHubFiles(entry, hubOf(deps)));
  return localPoolFiles(deps, entry);
}

/** The same without fetching anything: undefined where a file of the hub is missing. */
export async function poolFilesThere(deps: PoolDependencies, entry: string): Promise<PoolFile[] | undefined> {
  if (!isHubUri(entry)) return localPoolFiles(deps, entry);
  const fetched = await fetchedHubFiles(entry, hubOf(deps));
  return fetched && hubPoolFiles(fetched);
}

function hubPoolFiles(files: readonly HubFile[]): PoolFile[] {
  return files.map(({ uri, path }) => ({ name: uri, path }));
}

async function localPoolFiles(deps: PoolDependencies, entry: string): Promise<PoolFile[]> {
  const paths = await resolveInputs(deps.files, entry);
  const [only] = paths;
  if (only !== undefined && paths.length === 1) return [{ name: entry, path: only }];
  return paths.map((path) => ({ name: path, path }));
}

/** Checks before any work that an entry names files that can be read; files of the hub are found, but not fetched yet. */
export async function checkPoolEntry(
  deps: PoolDependencies,
  entry: string,
  layout: LayoutName | 'auto',
): Promise<void> {
  if (isHubUri(entry)) await findHubFiles(entry, hubOf(deps));
  else for (const { path } of await poolFiles(deps, entry)) await checkPoolFile(path, layout);
}

function hubOf({ environment }: Pick<Dependencies, 'environment'>): HubAccess {
  return {
    url: environment['HF_ENDPOINT'] || 'https://huggingface.co',
    token: environment['HF_TOKEN'],
    cacheFolder: join(cacheFolder(environment, process.platform), 'hub'),
  };
}
