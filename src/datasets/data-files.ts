import { join } from 'node:path';
import { cacheFolder } from '../platform/cache-folder.ts';
import type { DataFile } from './rows/data-file.ts';
import { resolveInputPaths, type InputFiles } from '../platform/input-files.ts';
import {
  findCachedHubFiles,
  downloadHubFiles,
  listHubFiles,
  isHubUri,
  parseHubUri,
  type HubAccess,
  type HubFile,
} from './hub-files.ts';

/** The dependencies for finding the data files that a configuration names. */
export interface DataFileAccess {
  readonly files: InputFiles;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The files of an entry of the configuration, in order. Missing files of the hub are downloaded. A file has the name
 * that the configuration gives it; a file that matches a pattern has its path as its name.
 * @throws Error that names the searched places
 */
async function dataFiles(deps: DataFileAccess, entry: string): Promise<DataFile[]> {
  if (isHubUri(entry)) return namedHubFiles(await downloadHubFiles(entry, hubOf(deps, entry)));
  return localFiles(deps, entry);
}

/** Like `dataFiles`, but without downloads: undefined if a file of the hub is not in the cache. */
async function cachedDataFiles(deps: DataFileAccess, entry: string): Promise<DataFile[] | undefined> {
  if (!isHubUri(entry)) return localFiles(deps, entry);
  const cached = await findCachedHubFiles(entry, hubOf(deps, entry));
  return cached && namedHubFiles(cached);
}

function namedHubFiles(files: readonly HubFile[]): DataFile[] {
  return files.map(({ uri, path }) => ({ name: uri, path }));
}

async function localFiles(deps: DataFileAccess, entry: string): Promise<DataFile[]> {
  const paths = await resolveInputPaths(deps.files, entry);
  const [only] = paths;
  if (only !== undefined && paths.length === 1) return [{ name: entry, path: only }];
  return paths.map((path) => ({ name: path, path }));
}

/**
 * The files of several entries. A file that matches several patterns occurs once.
 * @throws Error that names the searched places
 */
export async function filesOf(deps: DataFileAccess, entries: readonly string[]): Promise<DataFile[]> {
  return uniqueFiles((await Promise.all(entries.map((entry) => dataFiles(deps, entry)))).flat());
}

/** Like `filesOf`, but without downloads: undefined if a file of the hub is not in the cache. */
export async function cachedFilesOf(
  deps: DataFileAccess,
  entries: readonly string[],
): Promise<DataFile[] | undefined> {
  const found = await Promise.all(entries.map((entry) => cachedDataFiles(deps, entry)));
  return found.every((files) => files !== undefined) ? uniqueFiles(found.flat()) : undefined;
}

function uniqueFiles(files: readonly DataFile[]): DataFile[] {
  return [...new Map(files.map((file) => [file.path, file])).values()];
}

/** Checks that the files of an entry exist and can be read. Files of the hub are looked up, but not downloaded. */
export async function checkEntry(
  deps: DataFileAccess,
  entry: string,
  checkFile: (path: string) => Promise<void>,
): Promise<void> {
  if (isHubUri(entry)) await listHubFiles(entry, hubOf(deps, entry));
  else for (const { path } of await dataFiles(deps, entry)) await checkFile(path);
}

/** @throws InvalidInput if the operator doesn't allow the repository of the entry */
function hubOf({ environment, files }: DataFileAccess, entry: string): HubAccess {
  files.guard?.requireHubRepository('datasets', parseHubUri(entry).repository);
  return {
    url: environment['HF_ENDPOINT'] || 'https://huggingface.co',
    token: environment['HF_TOKEN'],
    cacheFolder: join(cacheFolder(environment, process.platform), 'hub'),
  };
}
