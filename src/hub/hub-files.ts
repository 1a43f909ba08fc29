import { existsSync } from 'node:fs';
import { readFile, rm, realpath } from 'node:fs/promises';
import { join, matchesGlob } from 'node:path';
import { datasetInfo, downloadFileToCacheDir, HubApiError, listFiles } from '@huggingface/hub';
import { InputProblem } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import { writeFileAtomically } from '../artifacts/store.ts';

/** Files of a data set of the Hugging Face hub at one revision. */
export interface HubPattern {
  /** `owner/name`. */
  readonly repository: string;
  /** A commit, tag or branch. */
  readonly revision: string;
  /** A path in the repository, or a pattern with `*`, `**`, `?`, `[...]` and `{a,b}`. */
  readonly pattern: string;
}

export interface HubAccess {
  /** For example https://huggingface.co. */
  readonly url: string;
  readonly token?: string | undefined;
  /** Where files are kept, in the layout of the hub's own cache. */
  readonly cacheFolder: string;
}

/** A file of the hub on this machine. */
export interface HubFile {
  /** With the commit that the revision stood for: `hf://datasets/owner/name@<commit>/path`. */
  readonly uri: string;
  readonly path: string;
}

interface Listed {
  readonly path: string;
  /** Of a file that git doesn't hold itself, which is what all large ones are. */
  readonly sha256?: string | undefined;
}

const SCHEME = 'hf://';
const COMMIT = /^[0-9a-f]{40}$/;

/** Whether an entry of a configuration means files of the hub. */
export function isHubUri(entry: string): boolean {
  return entry.startsWith(SCHEME);
}

/**
 * Reads `hf://datasets/<owner>/<name>@<revision>/<path or pattern>`, the way in which pandas, DuckDB and others name
 * files of the hub. The revision may not be left out: what a run was made from must not move.
 * @throws InputProblem
 */
export function parseHubUri(uri: string): HubPattern {
  const found = /^hf:\/\/datasets\/([\w.-]+\/[\w.-]+)@([^/]+)\/(.+)$/.exec(uri);
  if (found === null) {
    throw new InputProblem(
      `found ${JSON.stringify(uri)}; expected hf://datasets/<owner>/<name>@<revision>/<path or pattern>, best with a ` +
        'commit as the revision (a "/" in a branch\'s name is written %2F)',
    );
  }
  const [, repository = '', revision = '', pattern = ''] = found;
  return { repository, revision: decodeURIComponent(revision), pattern };
}

/**
 * The files that a uri means, without fetching them. A commit that was listed before is known without the network.
 * @throws InputProblem where the hub says no, or nothing matches; Error where it can't be reached
 */
export async function findHubFiles(
  uri: string,
  hub: HubAccess,
): Promise<{ commit: string; files: Listed[] }> {
  const { repository, revision, pattern } = parseHubUri(uri);
  const commit = COMMIT.test(revision) ? revision : await commitOf(uri, hub);
  const listed = await listingOf(uri, commit, hub);
  const files = listed.filter(({ path }) => path === pattern || matchesGlob(path, pattern));
  if (files.length > 0) return { commit, files: files.sort((a, b) => (a.path < b.path ? -1 : 1)) };
  const some = listed.slice(0, 10).map(({ path }) => path);
  throw new InputProblem(
    `no file of ${repository}@${commit} matches ${pattern}; it has ${some.join(', ')}` +
      `${listed.length > some.length ? ` and ${listed.length - some.length} more` : ''}`,
  );
}

/** The files that a uri means where all of them were fetched before; undefined where one is missing. Fetches none. */
export async function fetchedHubFiles(uri: string, hub: HubAccess): Promise<HubFile[] | undefined> {
  const { repository } = parseHubUri(uri);
  const { commit, files } = await findHubFiles(uri, hub);
  const kept = files.map(({ path }) => ({
    uri: `${SCHEME}datasets/${repository}@${commit}/${path}`,
    path: keptAt(uri, commit, path, hub),
  }));
  return kept.every(({ path }) => existsSync(path)) ? kept : undefined;
}

/**
 * Fetches what isn't there yet of the files that a uri means, and checks what it fetched against the hub's own hash.
 * What was fetched before at a commit needs no network.
 */
export async function fetchHubFiles(uri: string, hub: HubAccess): Promise<HubFile[]> {
  const { repository } = parseHubUri(uri);
  const { commit, files } = await findHubFiles(uri, hub);
  const fetched: HubFile[] = [];
  for (const file of files) {
    const path = await fetchFile(uri, commit, file, hub);
    fetched.push({ uri: `${SCHEME}datasets/${repository}@${commit}/${file.path}`, path });
  }
  return fetched;
}

async function fetchFile(
  uri: string,
  commit: string,
  { path, sha256 }: Listed,
  hub: HubAccess,
): Promise<string> {
  const kept = keptAt(uri, commit, path, hub);
  if (existsSync(kept)) return kept;
  const fetched = await ask(uri, hub, (common) =>
    downloadFileToCacheDir({ ...common, path, revision: commit, cacheDir: hub.cacheFolder }),
  );
  const found = sha256 === undefined ? undefined : await fileSha256(fetched);
  if (found === sha256) return fetched;
  await rm(await realpath(fetched));
  await rm(fetched);
  throw new Error(`${path} of ${uri} arrived with sha256 ${found}; the hub says ${sha256}`);
}

function keptAt(uri: string, commit: string, path: string, hub: HubAccess): string {
  return join(repositoryFolder(uri, hub), 'snapshots', commit, path);
}

async function commitOf(uri: string, hub: HubAccess): Promise<string> {
  const { repository: name, revision } = parseHubUri(uri);
  const { sha } = await ask(uri, hub, (common) =>
    datasetInfo({ ...common, name, revision, additionalFields: ['sha'] }),
  );
  return sha;
}

/** All files of a commit. A commit never changes, so its list is kept. */
async function listingOf(uri: string, commit: string, hub: HubAccess): Promise<Listed[]> {
  const file = join(repositoryFolder(uri, hub), 'listings', `${commit}.json`);
  if (existsSync(file)) return JSON.parse(await readFile(file, 'utf8')) as Listed[];
  const listed = await ask(uri, hub, async (common) => {
    const entries = await Array.fromAsync(listFiles({ ...common, revision: commit, recursive: true }));
    return entries.flatMap(({ type, path, lfs }) =>
      // Names come from outside and become paths.
      type === 'file' && !path.split('/').includes('..')
        ? [{ path, ...(lfs === undefined ? {} : { sha256: lfs.oid }) }]
        : [],
    );
  });
  await writeFileAtomically(file, `${JSON.stringify(listed)}\n`);
  return listed;
}

function repositoryFolder(uri: string, hub: HubAccess): string {
  return join(hub.cacheFolder, `datasets--${parseHubUri(uri).repository.replace('/', '--')}`);
}

/** Asks the hub; what it says no to is the user's to change, and a hub that can't be reached may be back later. */
async function ask<T>(
  uri: string,
  { url, token, cacheFolder }: HubAccess,
  request: (common: {
    repo: { type: 'dataset'; name: string };
    hubUrl: string;
    accessToken?: string;
  }) => Promise<T>,
): Promise<T> {
  const repo = { type: 'dataset', name: parseHubUri(uri).repository } as const;
  try {
    return await request({ repo, hubUrl: url, ...(token ? { accessToken: token } : {}) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof HubApiError) || error.statusCode >= 500 || error.statusCode === 429) {
      const cause = (error as { cause?: { code?: unknown } }).cause?.code;
      throw new Error(
        `${uri}: the hub at ${url} can't be reached (${typeof cause === 'string' ? cause : reason}), and ${cacheFolder} has ` +
          'no copy. Fetch it where there is a network (what is kept of a commit needs none), or name files of this machine',
        { cause: error },
      );
    }
    const denied = error.statusCode === 401 || error.statusCode === 403;
    throw new InputProblem(
      `${uri}: the hub at ${url} says ${error.statusCode}: ${reason}${denied ? '. For a private or gated data set set HF_TOKEN of the worker with role workflow' : ''}`,
      { cause: error },
    );
  }
}
