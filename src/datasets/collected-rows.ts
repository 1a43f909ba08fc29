import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { quantity } from '../platform/quantity.ts';
import { TooManySkipped } from '../store/errors.ts';
import { fileSha256 } from '../platform/file-hashes.ts';
import type { Counts } from '../store/artifact.ts';
import type { DataFile } from './rows/data-file.ts';
import type { SkipReasonCount } from './disk-buckets.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { journalUri } from '../store/journal.ts';

/** Part of an index's manifest: the files that were read, and the reasons for skipped rows with one example each. */
export interface RowsSummary {
  /** The name of a hub file includes its commit. */
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
  readonly skipped: readonly SkipReasonCount[];
}

/** The hashes of files, in the order of the files. */
export async function hashesOf(files: readonly DataFile[]): Promise<string[]> {
  const hashes: string[] = [];
  for (const { path } of files) hashes.push(await fileSha256(path));
  return hashes;
}

/** Runs `work` with a scratch folder beside an artifact, and removes it afterwards together with those of earlier attempts. */
export function withScratch<T>(
  store: ArtifactStore,
  uri: string,
  work: (scratch: string) => Promise<T>,
): Promise<T> {
  return store.withLocalFolder(journalUri(uri), async (folder) => {
    const scratch = join(folder.path, randomUUID());
    try {
      const result = await work(scratch);
      await rm(folder.path, { recursive: true, force: true });
      return result;
    } catch (error) {
      await rm(scratch, { recursive: true, force: true });
      throw error;
    }
  });
}

/**
 * Makes a check that fails if too many rows are damaged.
 * @param share the largest allowed share of damaged rows
 * @param rowsOf completes "rows" in the message, such as "of the instruction pool"
 */
export function limitFailedRows(share: number, rowsOf: string) {
  return (failed: number, rows: number, reasons: readonly SkipReasonCount[]): void => {
    if (failed <= rows * share) return;
    const examples = reasons
      .filter(({ kind }) => kind === 'failed')
      .slice(0, 3)
      .map(({ reason, count, example }) => `${reason} (${quantity(count, 'row')}, the first: ${example})`);
    throw new TooManySkipped(
      `${failed} of ${rows} rows ${rowsOf} can't be used, more than the allowed share of ${share} ` +
        `(inference.maxSkippedShare): ${examples.join('; ')}`,
    );
  };
}

export function countsByReason(reasons: readonly SkipReasonCount[]): Counts {
  return Object.fromEntries(reasons.map(({ kind, reason, count }) => [`${kind}: ${reason}`, count]));
}

/** Describes why files have no usable row: the number of rows, and the reasons for skipping them. */
export function describeLosses(
  files: readonly DataFile[],
  { rows, reasons }: { readonly rows: number; readonly reasons: readonly SkipReasonCount[] },
): string {
  const paths = files.map(({ path }) => path).join(', ');
  const counts = reasons.map(({ reason, count }) => `${reason} ${count}`).join(', ');
  return `${paths}: ${quantity(rows, 'row')}${counts === '' ? '' : `, skipped: ${counts}`}`;
}
