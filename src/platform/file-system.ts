import { existsSync, type Stats } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A disk can't be written to. A retry may succeed, because somebody can free space. No existing file was changed. */
export class StorageUnavailable extends Error {
  override readonly name = 'StorageUnavailable';
  /** The path, the cause and what to do. */
  readonly reason: string;
  /** Whether only space is missing. */
  readonly isFull: boolean;

  constructor(reason: string, options: ErrorOptions & { readonly isFull?: boolean }) {
    super(`${reason}. Then the work continues by itself; everything written so far is kept.`, options);
    this.reason = reason;
    const { code = '' } = (this.cause ?? {}) as NodeJS.ErrnoException;
    this.isFull = options.isFull ?? FULL_CODES.includes(code);
  }
}

const FULL_CODES: readonly string[] = ['ENOSPC', 'EDQUOT'];

const ADVICE_BY_CODE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full. Free some space',
  EDQUOT: 'the quota of this user is used up. Free some space, or raise the quota',
  EROFS: 'the file system is read-only. Mount it as writable',
  EACCES: 'this user has no write permission there. Grant it',
  EPERM: 'this user has no write permission there. Grant it',
  ENOTDIR: 'a part of this path is a file, not a folder. Move the file away',
};

/**
 * Runs an operation that writes to `path`. If the system refuses, the error names the path and what to do.
 * @throws StorageUnavailable
 */
export async function withStorageErrors<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw toStorageError(path, error);
  }
}

/** StorageUnavailable in place of an error of the system that does not name the file, such as that of a full disk. */
export function toStorageError(path: string, error: unknown): unknown {
  const { code = '', path: named } = error as NodeJS.ErrnoException;
  const advice = ADVICE_BY_CODE[code];
  if (advice === undefined) return error;
  return new StorageUnavailable(`${named ?? path} can't be written: ${advice} (${code})`, { cause: error });
}

/**
 * Creates a folder and its parents. The topmost one is created by itself: with `recursive` Node reports ENOENT whatever the reason,
 * and tries without end if the file system itself answers ENOENT, as /proc and automounters do.
 */
export async function makeFolders(path: string): Promise<void> {
  let missing: string | undefined;
  for (let folder = path; !existsSync(folder) && folder !== dirname(folder); folder = dirname(folder))
    missing = folder;
  if (missing !== undefined)
    await mkdir(missing).catch((error: NodeJS.ErrnoException) => {
      // Another process has created it meanwhile, or it is a link that leads nowhere, which the next call reports.
      if (error.code !== 'EEXIST') throw error;
    });
  await mkdir(path, { recursive: true });
}

/**
 * Returns whether an error means that the file system has no links of the requested kind. exFAT, SMB, AFS, 9p and file systems in
 * user space have different codes for it. If the code had another cause, whatever is done in place of the link fails for it too.
 */
export function isLinkUnsupported(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV', 'EACCES', 'EINVAL'].includes(code);
}

/**
 * Removes a temporary file if possible. Errors are ignored: whatever prevents the removal has already prevented the
 * write.
 */
export async function removeTemporary(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** The text of a file, or undefined if there is no such file. */
export async function readTextIfExists(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The names in a folder; none if there is no such folder. */
export async function listNames(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Size and modification time of a file; undefined if there is no such file. */
export async function statIfExists(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
