/** The user of this process, also where the system knows none: a container may run under any user id. */
import { homedir, tmpdir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A name that only this user of the machine has: the login name, or the id of a user without one. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `${process.getuid?.() ?? 'user'}`;
  }
}

/** The user's home: `HOME`, the one that the system knows, or else a folder for temporary files. */
export function homeFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const homes = [() => environment['HOME'] ?? '', homedir];
  for (const home of homes)
    try {
      if (isAbsolute(home())) return home();
    } catch {
      // The system knows no such user.
    }
  return join(tmpdir(), `self-taught-evaluator-${userName()}`, 'home');
}
