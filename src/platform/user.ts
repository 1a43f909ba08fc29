/** The user of this process, also where the system knows none: a container may run under any user id. */
import { lstatSync, mkdirSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { SettingError } from './setting-error.ts';

/** A name that only this user of the machine has: the login name, or the id of a user without one. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `${process.getuid?.() ?? 'user'}`;
  }
}

/**
 * This user's folder among the temporary files of all users. It is created if it is missing.
 * @throws SettingError if others may write to it: what is run and believed from there would be theirs
 */
export function userTemporaryFolder(): string {
  const folder = join(tmpdir(), `self-taught-evaluator-${userName()}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  const isOwn = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
  if (isOwn) return folder;
  throw new SettingError(
    `${folder} was made by another user, or others may write to it: what is run and read there would be theirs. Remove it, or set ` +
      'TMPDIR to a folder that only you can write to',
  );
}

/**
 * The user's home: `HOME`, the one that the system knows, or else a folder for temporary files.
 * @throws SettingError
 */
export function homeFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const homes = [() => environment['HOME'] ?? '', homedir];
  for (const home of homes)
    try {
      if (isAbsolute(home())) return home();
    } catch {
      // The system knows no such user.
    }
  return join(userTemporaryFolder(), 'home');
}
