import { join } from 'node:path';
import { cacheFolder } from '../config/cache-folder.ts';
import { resolveInputs, type DataFile } from '../config/input-files.ts';
import {
  fetchedHubFiles,
  fetchHubFiles,
  findHubFiles,
  isHubUri,
  type HubAccess,
  type HubFile,
} from '../hub/hub-files.ts';
import type { Dependencies } from './dependencies.ts';

type FileDependencies = Pick<Dependencies, 'files' | 'environment'>;

/**
 * The files that an entry of the configuration names, in order; those of the hub are fetched where they are missing.
 * A file is reported under the name that the configuration gives it, or the one by which a pattern found it.
 * @throws Error that says where it was looked for
 */
async function dataFiles(deps: FileDependencies, entry: string): Promise<DataFile[]> {
  if (isHubUri(entry)) return namedHubFiles(await fetchHubFiles(entry, hubOf(deps)));
  return localFiles(deps, entry);
}

/** The same without fetching anything: undefined where a file of the hub is missing. */
async function dataFilesThere(deps: FileDependencies, entry: string): Promise<DataFile[] | undefined> {
  if (!isHubUri(entry)) return localFiles(deps, entry);
  const fetched = await fetchedHubFiles(entry, hubOf(deps));
  return fetched && namedHubFiles(fetched);
}

function namedHubFiles(files: readonly HubFile[]): DataFile[] {
  return files.map(({ uri, path }) => ({ name: uri, path }));
}

async function localFiles(deps: FileDependencies, entry: string): Promise<DataFile[]> {
  const paths = await resolveInputs(deps.files, entry);
  const [only] = paths;
  if (only !== undefined && paths.length === 1) return [{ name: entry, path: only }];
  return paths.map((path) => ({ name: path, path }));
}

/**
 * The files that several entries name, each once: two patterns may meet the same one.
 * @throws Error that says where it was looked for
 */
export async function filesOf(deps: FileDependencies, entries: readonly string[]): Promise<DataFile[]> {
  return eachOnce((await Promise.all(entries.map((entry) => dataFiles(deps, entry)))).flat());
}

/** The same without fetching anything: undefined where a file of the hub is missing. */
export async function filesThere(
  deps: FileDependencies,
  entries: readonly string[],
): Promise<DataFile[] | undefined> {
  const found = await Promise.all(entries.map((entry) => dataFilesThere(deps, entry)));
  return found.every((files) => files !== undefined) ? eachOnce(found.flat()) : undefined;
}

function eachOnce(files: readonly DataFile[]): DataFile[] {
  return [...new Map(files.map((file) => [file.path, file])).values()];
}

/** Checks before any work that an entry names files that can be read; files of the hub are found, but not fetched yet. */
export async function checkEntry(
  deps: FileDependencies,
  entry: string,
  checkFile: (path: string) => Promise<void>,
): Promise<void> {
  if (isHubUri(entry)) await findHubFiles(entry, hubOf(deps));
  else for (const { path } of await dataFiles(deps, entry)) await checkFile(path);
}

function hubOf({ environment }: Pick<Dependencies, 'environment'>): HubAccess {
  return {
    url: environment['HF_ENDPOINT'] || 'https://huggingface.co',
    token: environment['HF_TOKEN'],
    cacheFolder: join(cacheFolder(environment, process.platform), 'hub'),
  };
}
