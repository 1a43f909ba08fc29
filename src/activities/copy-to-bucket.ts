import { randomUUID } from 'node:crypto';
import type { RunReference } from '../api/activity-types.ts';
import { copyFinished, type CopyCounts } from '../reporting/exports/copy-finished.ts';
import { StorageUnavailable } from '../platform/file-system.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { publishingProblems, requireAllowed } from '../policy/policy-problems.ts';
import { TRIAL_PREFIX } from '../store/check-store.ts';
import { openObjectStore } from '../store/drivers.ts';
import type { Dependencies } from './dependencies.ts';
import { withHeartbeats } from './heartbeats.ts';

export interface CopyToBucketInput {
  readonly run: RunReference;
  /** The address of a bucket and prefix. */
  readonly to: string;
}

/** Copies what a run has finished to a bucket, with the credentials of this worker. */
export function copyToBucket(
  { store, policy }: Dependencies,
  { run, to }: CopyToBucketInput,
): Promise<CopyCounts> {
  return withHeartbeats(async ({ signal, report }) => {
    requireAllowed(publishingProblems(policy, { publishTo: to }));
    return copyFinished(store, openObjectStore(to), run.runName, (copying) => {
      signal.throwIfAborted();
      report({ copying });
    });
  });
}

/**
 * Tries before any work whether objects can be written to a bucket.
 * @throws InvalidInput with what to do if they can't
 */
export async function tryBucket(address: string | undefined): Promise<void> {
  if (address === undefined) return;
  const bucket = openObjectStore(address);
  const key = `${TRIAL_PREFIX}/${randomUUID()}`;
  try {
    await bucket.put(key, '');
    await bucket.delete(key);
  } catch (error) {
    if (!(error instanceof StorageUnavailable)) throw error;
    throw new InvalidInput(error.reason, { cause: error });
  }
}
