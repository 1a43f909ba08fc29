import { closeSync, openSync, rmSync, statSync, utimesSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const REFRESH_MS = 5_000;
const STALE_MS = 30_000;

/**
 * Runs `work` while this process holds the lock file; waits while another does. The holder touches the file every 5 s,
 * and a file untouched for 30 s is a dead holder's. Two may hold it in the moment that a dead one's is taken over, so
 * what is done under it must also be put in place atomically.
 *
 * @template T
 * @param {string} path in a folder that exists
 * @param {() => Promise<T>} work
 * @param {AbortSignal} [signal] ends the waiting
 * @returns {Promise<T>}
 */
export async function withLock(path, work, signal) {
  await acquire(path, signal);
  const refresh = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // Taken over after this process was suspended for long: nothing to renew.
    }
  }, REFRESH_MS);
  try {
    return await work();
  } finally {
    clearInterval(refresh);
    rmSync(path, { force: true });
  }
}

/**
 * @param {string} path
 * @param {AbortSignal | undefined} signal
 */
async function acquire(path, signal) {
  for (let told = false; ;) {
    try {
      closeSync(openSync(path, 'wx'));
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (touched !== undefined && Date.now() - touched > STALE_MS) rmSync(path, { force: true });
    else {
      if (!told) console.error(`[setup] Waiting for another set-up to end (${path})`);
      told = true;
      await sleep(500, undefined, signal === undefined ? {} : { signal });
    }
  }
}
