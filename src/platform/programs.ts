import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { SetupError } from './setup-error.ts';

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Returns the absolute path of the program that a shell would run under this name. */
export function findOnPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => resolve(join(folder, name))).find(isExecutable);
}

/**
 * Returns the program that a command runs.
 * @param path the variable PATH of the environment in which it runs
 */
export function findProgram(program: string, path: string): string | undefined {
  const isPath = program.includes('/');
  const candidates = isPath ? [program] : path.split(delimiter).map((folder) => join(folder, program));
  return candidates.find(isExecutable);
}

/** Returns the program that the environment variable names. Throws SetupError if there is no program at that path. */
export function programFromEnvironment(variable: string): string | undefined {
  const path = process.env[variable];
  if (!path) return undefined;
  if (isExecutable(path)) return resolve(path);
  throw new SetupError(`${variable} names ${resolve(path)}, which is not a program.`);
}
