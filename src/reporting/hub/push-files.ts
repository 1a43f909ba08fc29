import { createHash } from 'node:crypto';
import { realpath, readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import {
  checkRepoAccess,
  createBranch,
  createRepo,
  datasetInfo,
  HubApiError,
  listFiles,
  modelInfo,
  uploadFiles,
} from '@huggingface/hub';
import { hubFetch } from '../../datasets/hub-fetch.ts';
import { InvalidInput } from '../../platform/invalid-input.ts';
import { fileSha256 } from '../../platform/file-hashes.ts';

/** A branch of a repository, with the credentials to write to it. */
export interface PushTarget {
  /** For example https://huggingface.co. */
  readonly url: string;
  readonly token: string;
  readonly repository: { readonly type: 'model' | 'dataset'; readonly name: string };
  readonly revision: string;
  /** True if a new repository is private. */
  readonly private: boolean;
}

/** A local file and its path in the repository. */
export interface PushedFile {
  readonly path: string;
  readonly file: string;
}

/**
 * Pushes files to a repository in one commit and returns the commit. Creates the repository and the branch if they don't
 * exist. Files that the repository has already are not sent again, so an interrupted push can be repeated, and a repeated
 * complete push makes no commit. Other files of the repository are kept.
 * @throws InvalidInput if the hub rejects a request; Error if it can't be reached, or there was another commit meanwhile
 */
export function pushFiles(
  target: PushTarget,
  files: readonly PushedFile[],
  { message, signal }: { readonly message: string; readonly signal: AbortSignal },
): Promise<string> {
  const { revision } = target;
  const common = commonOf(target);
  return asking(target, async () => {
    await ensureRepository(target);
    const parentCommit = await head(target);
    const existing = new Map<string, { readonly oid?: string; readonly lfs?: { readonly oid: string } }>();
    for await (const entry of listFiles({ ...common, revision: parentCommit, recursive: true }))
      existing.set(entry.path, entry);
    const missing: PushedFile[] = [];
    for (const each of files) {
      signal.throwIfAborted();
      if (!(await isSame(each.file, existing.get(each.path)))) missing.push(each);
    }
    if (missing.length === 0) return parentCommit;
    const contents = missing.map(async ({ path, file }) => ({
      path,
      content: pathToFileURL(await realpath(file)),
    }));
    const committed = await uploadFiles({
      ...common,
      files: await Promise.all(contents),
      branch: revision,
      // Of two concurrent attempts, the second commit is rejected; its retry finds all files in the repository.
      parentCommit,
      commitTitle: message,
      abortSignal: signal,
    });
    if (committed === undefined) throw new Error(`the hub at ${target.url} returned no commit`);
    return committed.commit.oid;
  });
}

function commonOf({ repository: repo, url, token }: PushTarget) {
  return { repo, hubUrl: url, accessToken: token, fetch: hubFetch(url, token) };
}

async function ensureRepository(target: PushTarget): Promise<void> {
  const { revision } = target;
  const common = commonOf(target);
  const isThere = await orStatus(404, () => checkRepoAccess(common));
  if (!isThere)
    await orStatus(409, () => createRepo({ ...common, visibility: target.private ? 'private' : 'public' }));
  if (revision !== 'main') await orStatus(409, () => createBranch({ ...common, branch: revision }));
}

/** Returns false if the hub answers with a status that is expected. */
async function orStatus(status: number, request: () => Promise<unknown>): Promise<boolean> {
  try {
    await request();
    return true;
  } catch (error) {
    if (error instanceof HubApiError && error.statusCode === status) return false;
    throw error;
  }
}

async function head({ url, token, repository: { type, name }, revision }: PushTarget): Promise<string> {
  const wanted = { name, revision, hubUrl: url, accessToken: token, fetch: hubFetch(url, token) };
  const { sha } =
    type === 'model'
      ? await modelInfo({ ...wanted, additionalFields: ['sha'] })
      : await datasetInfo({ ...wanted, additionalFields: ['sha'] });
  return sha;
}

/** Returns whether the hub has the same content: compares SHA-256 of files in Git LFS, and git's own hash of others. */
async function isSame(
  file: string,
  existing: { readonly oid?: string; readonly lfs?: { readonly oid: string } } | undefined,
): Promise<boolean> {
  if (existing === undefined) return false;
  if (existing.lfs !== undefined) return (await fileSha256(file)) === existing.lfs.oid;
  const content = await readFile(file);
  const blob = createHash('sha1').update(`blob ${content.length}\0`).update(content);
  return blob.digest('hex') === existing.oid;
}

/** Sends a request to the hub and converts its errors. */
async function asking<T>({ url, repository }: PushTarget, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw toHubError(`${repository.type} ${repository.name}`, url, error);
  }
}

/** Statuses below 500 that may succeed when repeated: time-out, conflicting commit, too many requests. */
const WORTH_ANOTHER_TRY = [408, 409, 412, 429];

/** Converts an error of a request to the hub. A rejection is an InvalidInput; others may be retried. No message contains the token. */
export function toHubError(what: string, url: string, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof HubApiError) {
    const { statusCode: status } = error;
    const message = `${what}: the hub at ${url} answered ${status}: ${reason}`;
    return status >= 500 || WORTH_ANOTHER_TRY.includes(status)
      ? new Error(message, { cause: error })
      : new InvalidInput(message, { cause: error });
  }
  const code = (error as { cause?: { code?: unknown } }).cause?.code;
  return new Error(
    `${what}: the hub at ${url} can't be reached (${typeof code === 'string' ? code : reason})`,
    {
      cause: error,
    },
  );
}
