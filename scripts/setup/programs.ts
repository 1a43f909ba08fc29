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

/** Absolute path of the program that a shell would run under this name. */
export function findOnPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => resolve(join(folder, name))).find(isExecutable);
}

/** The program that the environment variable names. Throws SetupError when there is none at that path. */
export function namedProgram(variable: string): string | undefined {
  const path = process.env[variable];
  if (!path) return undefined;
  if (isExecutable(path)) return resolve(path);
  throw new SetupError(`${variable} names ${resolve(path)}, and that is no program.`);
}
