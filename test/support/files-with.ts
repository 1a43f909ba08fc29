import { spawnSync } from 'node:child_process';

/** The files below a folder whose content has a text. A running worker may remove files and folders meanwhile, which grep passes over. */
export function filesWith(folder: string, text: string): string[] {
  const { stdout } = spawnSync('grep', ['-rlsaF', '-e', text, folder], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '');
}
