import { closeSync, openSync, rmSync, statSync, utimesSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const REFRESH_MS = 5_000;
const STALE_MS = 30_000;

/**
 * Runs `work` while this process holds the lock file; waits while another process holds it. The holder touches the
 * file every 5 s, and the holder of a file that is untouched for 30 s counts as dead. While a dead holder's file is
 * taken over, two processes may briefly hold the lock, so results of the work must also be published atomically.
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
      // Another process took the lock over while this one was suspended, so there is nothing to renew.
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
  for (let isAnnounced = false; ;) {
    try {
      closeSync(openSync(path, 'wx'));
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (touched !== undefined && Date.now() - touched > STALE_MS) rmSync(path, { force: true });
    else {
      if (!isAnnounced) process.stderr.write(`[setup] Waiting for another set-up to end (${path})\n`);
      isAnnounced = true;
      await sleep(500, undefined, signal === undefined ? {} : { signal });
    }
  }
}
