import type { WorkerLog } from '../observability/log.ts';
import { StorageUnavailable } from '../platform/file-system.ts';
import { SetupError } from '../platform/setup-error.ts';
import { openStore } from '../store/artifact-store.ts';
import { checkStore } from '../store/check-store.ts';

/** @throws StoreUnusable, before any work; a disk that is full now may have space again when it is needed */
export async function requireUsableStore(storeRoot: string, log: WorkerLog): Promise<void> {
  try {
    await checkStore(() => openStore(storeRoot).objects);
  } catch (error) {
    if (!(error instanceof StorageUnavailable)) throw error;
    if (!error.isFull) throw new SetupError(`${error.reason}.`, { cause: error });
    log.warn(`the store can't be checked: ${error.message}`);
  }
}
