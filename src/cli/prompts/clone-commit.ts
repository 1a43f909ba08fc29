import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/**
 * Returns the commit that is checked out in a clone, without running git, which would run programs that a repository's
 * configuration names; undefined if the folder is no clone.
 */
export async function cloneCommit(folder: string): Promise<string | undefined> {
  let git = join(folder, '.git');
  if ((await stat(git).catch(() => undefined))?.isFile())
    git = resolve(folder, (await text(git))?.replace(/^gitdir: /, '') ?? '');
  const head = await text(join(git, 'HEAD'));
  const ref = head?.match(/^ref: (refs\/[\w./-]+)$/)?.[1];
  if (ref === undefined || ref.includes('..')) return asCommit(head);
  const shared = resolve(git, (await text(join(git, 'commondir'))) ?? '.');
  const packed = await text(join(shared, 'packed-refs'));
  const line = packed?.split('\n').find((one) => one.endsWith(` ${ref}`));
  return asCommit((await text(join(shared, ref))) ?? line?.split(' ')[0]);
}

function asCommit(value: string | undefined): string | undefined {
  return value !== undefined && /^[\da-f]{40}([\da-f]{24})?$/.test(value) ? value : undefined;
}

async function text(file: string): Promise<string | undefined> {
  return (await readFile(file, 'utf8').catch(() => undefined))?.trim();
}
