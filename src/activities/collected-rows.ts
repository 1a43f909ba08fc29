import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TooManySetAside } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import type { Counts } from '../artifacts/reference.ts';
import type { DataFile } from '../config/input-files.ts';
import type { ReasonCount } from '../pools/scratch.ts';
import type { Dependencies } from './dependencies.ts';

/** What the index of rows that were read tells beside its shards: the files, and why rows were left out with an example for each reason. */
export interface RowsSummary {
  /** Files of the hub with their commit. */
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
  readonly setAside: readonly ReasonCount[];
}

/** The files' hashes, in their order. */
export async function hashesOf(files: readonly DataFile[]): Promise<string[]> {
  const hashes: string[] = [];
  for (const { path } of files) hashes.push(await fileSha256(path));
  return hashes;
}

/** Does work that needs a scratch folder beside an artifact; afterwards it is gone, with what earlier attempts have left. */
export async function withScratch<T>(
  { store }: Pick<Dependencies, 'store'>,
  uri: string,
  work: (scratch: string) => Promise<T>,
): Promise<T> {
  const folder = store.path(`${uri}.work`);
  const scratch = join(folder, randomUUID());
  try {
    const result = await work(scratch);
    await rm(folder, { recursive: true, force: true });
    return result;
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Refuses files of which too many rows are damaged.
 * @param share that is allowed
 * @param rows what they are rows of, such as "of the instruction pool"
 */
export function requireFewFailed(share: number, rowsOf: string) {
  return (failed: number, rows: number, reasons: readonly ReasonCount[]): void => {
    if (failed <= rows * share) return;
    const examples = reasons
      .filter(({ kind }) => kind === 'failed')
      .slice(0, 3)
      .map(({ reason, count, example }) => `${reason} (${count} rows, the first: ${example})`);
    throw new TooManySetAside(
      `${failed} of ${rows} rows ${rowsOf} can't be used, more than the allowed share of ${share} ` +
        `(inference.maximumSetAsideShare): ${examples.join('; ')}`,
    );
  };
}

export function countsByReason(reasons: readonly ReasonCount[]): Counts {
  return Object.fromEntries(reasons.map(({ kind, reason, count }) => [`${kind}: ${reason}`, count]));
}

/** Says of files that gave nothing where the rows went. */
export function nothingLeft(
  files: readonly DataFile[],
  { rows, reasons }: { readonly rows: number; readonly reasons: readonly ReasonCount[] },
): string {
  const paths = files.map(({ path }) => path).join(', ');
  const why = reasons.map(({ reason, count }) => `${reason} ${count}`).join(', ');
  return `${paths}: ${rows} rows${why === '' ? '' : `, left out: ${why}`}`;
}
