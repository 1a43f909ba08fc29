import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { dirname, join, matchesGlob } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { datasetInfo, downloadFile, HubApiError, listFiles } from '@huggingface/hub';
import { z } from 'zod';
import { InvalidInput } from '../platform/invalid-input.ts';
import { fileSha256 } from '../platform/file-hashes.ts';
import { writeFileAtomically } from '../platform/atomic-write.ts';
import { hubFetch } from './hub-fetch.ts';
import { makeFolders, StorageUnavailable, withStorageErrors } from '../platform/file-system.ts';
import { readJsonIfExists } from '../platform/read-json.ts';

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
  /** The folder for downloaded files. It has the layout of the hub's own cache. */
  readonly cacheFolder: string;
}

/** A file of the hub on this machine. */
export interface HubFile {
  /** With the revision resolved to a commit: `hf://datasets/owner/name@<commit>/path`. */
  readonly uri: string;
  readonly path: string;
}

const listingSchema = z.array(
  z.object({
    path: z.string(),
    /** Known only for files in Git LFS, which all large ones are. */
    sha256: z.string().optional(),
    /** Git's own hash of the other ones. */
    gitSha1: z.string().optional(),
  }),
);
type ListedFile = z.infer<typeof listingSchema>[number];

const SCHEME = 'hf://';
const COMMIT = /^[0-9a-f]{40}$/;

/** Returns whether an entry of a configuration names files of the hub. */
export function isHubUri(entry: string): boolean {
  return entry.startsWith(SCHEME);
}

/**
 * Parses `hf://datasets/<owner>/<name>@<revision>/<path or pattern>`, the notation of pandas, DuckDB and others for files
 * of the hub. The revision is required, so that the input of a run can't change.
 * @throws InvalidInput
 */
export function parseHubUri(uri: string): HubPattern {
  const found = /^hf:\/\/datasets\/([\w.-]+\/[\w.-]+)@([^/]+)\/(.+)$/.exec(uri);
  if (found === null) {
    throw new InvalidInput(
      `found ${JSON.stringify(uri)}; expected hf://datasets/<owner>/<name>@<revision>/<path or pattern>, best with a ` +
        'commit as the revision (a "/" in a branch\'s name is written %2F)',
    );
  }
  const [, repository = '', revision = '', pattern = ''] = found;
  return { repository, revision: decodeURIComponent(revision), pattern };
}

/**
 * Lists the files of a uri without downloading them. A commit that was listed before needs no network.
 * @throws InvalidInput if the hub rejects the request, or no file matches; Error if the hub can't be reached
 */
export async function listHubFiles(
  uri: string,
  hub: HubAccess,
): Promise<{ commit: string; files: ListedFile[] }> {
  const { repository, revision, pattern } = parseHubUri(uri);
  const commit = COMMIT.test(revision) ? revision : await commitOf(uri, hub);
  const listed = await listingOf(uri, commit, hub);
  const files = listed.filter(({ path }) => path === pattern || matchesGlob(path, pattern));
  if (files.length > 0) return { commit, files: files.sort((a, b) => (a.path < b.path ? -1 : 1)) };
  const some = listed.slice(0, 10).map(({ path }) => path);
  throw new InvalidInput(
    `no file of ${repository}@${commit} matches ${pattern}; it has ${some.join(', ')}` +
      `${listed.length > some.length ? ` and ${listed.length - some.length} more` : ''}`,
  );
}

/** The files of a uri if all of them are in the cache; otherwise undefined. Downloads nothing. */
export async function findCachedHubFiles(uri: string, hub: HubAccess): Promise<HubFile[] | undefined> {
  const { repository } = parseHubUri(uri);
  const { commit, files } = await listHubFiles(uri, hub);
  const cached = files.map(({ path }) => ({
    uri: `${SCHEME}datasets/${repository}@${commit}/${path}`,
    path: cachedPath(uri, commit, path, hub),
  }));
  return cached.every(({ path }) => existsSync(path)) ? cached : undefined;
}

/**
 * Downloads the missing files of a uri and verifies them against the hub's own hashes. Files of a commit that are in the
 * cache need no network.
 */
export async function downloadHubFiles(uri: string, hub: HubAccess): Promise<HubFile[]> {
  const { repository } = parseHubUri(uri);
  const { commit, files } = await listHubFiles(uri, hub);
  const fetched: HubFile[] = [];
  for (const file of files) {
    const path = await fetchFile(uri, commit, file, hub);
    fetched.push({ uri: `${SCHEME}datasets/${repository}@${commit}/${file.path}`, path });
  }
  return fetched;
}

/**
 * Downloads a file unless it is in the cache. It gets its name there when it has the expected hash. The names in the cache are
 * made here and not by the hub's client, because that one trusts the hub: it uses hashes of the hub's answers as paths.
 */
async function fetchFile(
  uri: string,
  commit: string,
  { path, sha256, gitSha1 }: ListedFile,
  hub: HubAccess,
): Promise<string> {
  const cached = cachedPath(uri, commit, path, hub);
  if (existsSync(cached)) return cached;
  const temporary = `${cached}.tmp-${randomUUID()}`;
  try {
    await requestHub(uri, hub, async (common) => {
      const blob = await downloadFile({ ...common, path, revision: commit });
      if (blob === null) throw new InvalidInput(`${uri}: the hub lists ${path}, but does not have it`);
      await makeFolders(dirname(cached));
      await pipeline(Readable.fromWeb(blob.stream() as ReadableStream), createWriteStream(temporary));
    });
    const [name, expected, found] =
      sha256 === undefined
        ? ['Git hash', gitSha1, await gitSha1Of(temporary)]
        : ['sha256', sha256, await fileSha256(temporary)];
    if (found !== expected)
      throw new Error(`${path} of ${uri} was downloaded with ${name} ${found}; expected ${expected}`);
    await rename(temporary, cached);
    return cached;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The hash by which Git names a file with this content. */
async function gitSha1Of(file: string): Promise<string> {
  const hash = createHash('sha1').update(`blob ${(await stat(file)).size}\0`);
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function cachedPath(uri: string, commit: string, path: string, hub: HubAccess): string {
  return join(repositoryFolder(uri, hub), 'snapshots', commit, path);
}

async function commitOf(uri: string, hub: HubAccess): Promise<string> {
  const { repository: name, revision } = parseHubUri(uri);
  const { sha } = await requestHub(uri, hub, (common) =>
    datasetInfo({ ...common, name, revision, additionalFields: ['sha'] }),
  );
  if (!COMMIT.test(sha))
    throw new InvalidInput(
      `${uri}: the hub at ${hub.url} answered with ${JSON.stringify(sha)}, which is no commit`,
    );
  return sha;
}

/** All files of a commit. The list is cached, because a commit never changes. */
async function listingOf(uri: string, commit: string, hub: HubAccess): Promise<ListedFile[]> {
  const file = join(repositoryFolder(uri, hub), 'listings', `${commit}.json`);
  const cached = await readJsonIfExists(file, listingSchema);
  if (cached !== undefined) return cached;
  const listed = await requestHub(uri, hub, async (common) => {
    const entries = await Array.fromAsync(listFiles({ ...common, revision: commit, recursive: true }));
    return entries.flatMap(({ type, path, oid, lfs }) =>
      // These names are untrusted and become paths.
      type === 'file' && !path.split('/').includes('..')
        ? [{ path, ...(lfs === undefined ? { gitSha1: oid } : { sha256: lfs.oid }) }]
        : [],
    );
  });
  await writeFileAtomically(file, `${JSON.stringify(listed)}\n`);
  return listed;
}

function repositoryFolder(uri: string, hub: HubAccess): string {
  return join(hub.cacheFolder, `datasets--${parseHubUri(uri).repository.replace('/', '--')}`);
}

/** Sends a request to the hub. A rejection is an InvalidInput; a hub that can't be reached is an Error, which may be retried. */
async function requestHub<T>(
  uri: string,
  { url, token, cacheFolder }: HubAccess,
  request: (common: {
    repo: { type: 'dataset'; name: string };
    hubUrl: string;
    accessToken?: string;
    fetch: typeof fetch;
  }) => Promise<T>,
): Promise<T> {
  const repo = { type: 'dataset', name: parseHubUri(uri).repository } as const;
  try {
    return await withStorageErrors(cacheFolder, () =>
      request({
        ...{ repo, hubUrl: url, fetch: hubFetch(url, token) },
        ...(token ? { accessToken: token } : {}),
      }),
    );
  } catch (error) {
    if (error instanceof StorageUnavailable || error instanceof InvalidInput) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof HubApiError) || error.statusCode >= 500 || error.statusCode === 429) {
      const cause = (error as { cause?: { code?: unknown } }).cause?.code;
      throw new Error(
        `${uri}: the hub at ${url} can't be reached (${typeof cause === 'string' ? cause : reason}), and ${cacheFolder} has ` +
          'no copy. Download it on a machine with network access (the cached files of a commit need none), or use local files',
        { cause: error },
      );
    }
    const denied = error.statusCode === 401 || error.statusCode === 403;
    throw new InvalidInput(
      `${uri}: the hub at ${url} answered ${error.statusCode}: ${reason}${denied ? '. A private or gated data set needs HF_TOKEN in the environment of the worker with the role workflow' : ''}`,
      { cause: error },
    );
  }
}
