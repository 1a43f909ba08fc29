import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from '@temporalio/worker';
import { TemporalUnreachable } from '../setting-error.ts';
import { connectToServer } from './connect.ts';
import type { TemporalSettings } from './settings.ts';

const LOOK_MILLISECONDS = 1_000;

/**
 * Runs the workers of a process until they have stopped, or one has failed. The SDK gives a worker up when the server has
 * refused its polls for a minute, because a key has expired for instance.
 *
 * @param stop tells all of them to stop, once one has
 * @throws TemporalUnreachable that says why the server refuses us, else what the SDK throws; workers may then be left that never
 *   end, so the process must be ended
 */
export async function runWorkers(
  workers: readonly Worker[],
  stop: () => void,
  settings: TemporalSettings,
): Promise<void> {
  const over = new AbortController();
  const ended = Promise.all(workers.map((worker) => worker.run().finally(stop)));
  try {
    await Promise.race([ended, untilOneFails(workers, over.signal)]);
  } catch (error) {
    throw await reasonOf(error, settings);
  } finally {
    over.abort();
  }
}

/** The promise of `run()` stays open where the polls of activities were refused (SDK 1.24); the state tells. */
async function untilOneFails(workers: readonly Worker[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const failed = workers.find((worker) => worker.getState() === 'FAILED');
    if (failed !== undefined)
      throw new TemporalUnreachable(
        `The worker of the queue ${failed.options.taskQueue} has failed, for the reason that its log says.`,
      );
    await sleep(LOOK_MILLISECONDS, undefined, { signal }).catch(() => undefined);
  }
}

/** What a new connection meets, in our words, where it meets anything. */
async function reasonOf(error: unknown, settings: TemporalSettings): Promise<unknown> {
  try {
    await (await connectToServer(settings)).close();
    return error;
  } catch (problem) {
    return problem;
  }
}
