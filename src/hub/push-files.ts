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
import { InputProblem } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';

/** A branch of a repository, and whoever may write to it. */
export interface PushTarget {
  /** For example https://huggingface.co. */
  readonly url: string;
  readonly token: string;
  readonly repository: { readonly type: 'model' | 'dataset'; readonly name: string };
  readonly revision: string;
  /** Whether a repository that has to be made is private. */
  readonly private: boolean;
}

/** A file of this machine and its path in the repository. */
export interface PushedFile {
  readonly path: string;
  readonly file: string;
}

/**
 * Brings files to a repository in one commit and returns the commit. Makes the repository and the branch where there are
 * none. What stands there already is not sent again: a push that was cut off goes on, and of one that is done nothing
 * is left to do and no commit is made. Files that only the repository has stay.
 * @throws InputProblem where the hub says no; Error where it can't be reached, or something else was committed meanwhile
 */
export function pushFiles(
  target: PushTarget,
  files: readonly PushedFile[],
  { message, signal }: { readonly message: string; readonly signal: AbortSignal },
): Promise<string> {
  const { repository: repo, revision } = target;
  const common = { repo, hubUrl: target.url, accessToken: target.token };
  return asking(target, async () => {
    await ensureRepository(target);
    const parentCommit = await head(target);
    const there = new Map<string, { readonly oid?: string; readonly lfs?: { readonly oid: string } }>();
    for await (const entry of listFiles({ ...common, revision: parentCommit, recursive: true }))
      there.set(entry.path, entry);
    const missing: PushedFile[] = [];
    for (const each of files) {
      signal.throwIfAborted();
      if (!(await isSame(each.file, there.get(each.path)))) missing.push(each);
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
      // Of two attempts at once, the second one's commit is refused; it then finds everything there.
      parentCommit,
      commitTitle: message,
      abortSignal: signal,
    });
    if (committed === undefined) throw new Error(`the hub at ${target.url} named no commit`);
    return committed.commit.oid;
  });
}

async function ensureRepository(target: PushTarget): Promise<void> {
  const { repository: repo, revision } = target;
  const common = { repo, hubUrl: target.url, accessToken: target.token };
  const isThere = await orStatus(404, () => checkRepoAccess(common));
  if (!isThere)
    await orStatus(409, () => createRepo({ ...common, visibility: target.private ? 'private' : 'public' }));
  if (revision !== 'main') await orStatus(409, () => createBranch({ ...common, branch: revision }));
}

/** False where the hub answers with this status, which is no failure here. */
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
  const wanted = { name, revision, hubUrl: url, accessToken: token };
  const { sha } =
    type === 'model'
      ? await modelInfo({ ...wanted, additionalFields: ['sha'] })
      : await datasetInfo({ ...wanted, additionalFields: ['sha'] });
  return sha;
}

/** Whether the hub has the same content: by SHA-256 where it keeps the file outside git, else by git's own hash. */
async function isSame(
  file: string,
  there: { readonly oid?: string; readonly lfs?: { readonly oid: string } } | undefined,
): Promise<boolean> {
  if (there === undefined) return false;
  if (there.lfs !== undefined) return (await fileSha256(file)) === there.lfs.oid;
  const content = await readFile(file);
  const blob = createHash('sha1').update(`blob ${content.length}\0`).update(content);
  return blob.digest('hex') === there.oid;
}

/** Asks the hub; what it says no to is the user's to change, anything else may be better later. */
async function asking<T>({ url, repository }: PushTarget, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw hubFailure(`${repository.type} ${repository.name}`, url, error);
  }
}

/** Statuses below 500 that another try may change: a time-out, a commit in between, too many requests. */
const WORTH_ANOTHER_TRY = [408, 409, 412, 429];

/** What went wrong with a request to the hub, in words; the token stands in none of its errors. */
export function hubFailure(what: string, url: string, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof HubApiError) {
    const { statusCode: status } = error;
    const message = `${what}: the hub at ${url} says ${status}: ${reason}`;
    return status >= 500 || WORTH_ANOTHER_TRY.includes(status)
      ? new Error(message, { cause: error })
      : new InputProblem(message, { cause: error });
  }
  const code = (error as { cause?: { code?: unknown } }).cause?.code;
  return new Error(
    `${what}: the hub at ${url} can't be reached (${typeof code === 'string' ? code : reason})`,
    {
      cause: error,
    },
  );
}
