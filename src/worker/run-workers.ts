import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from '@temporalio/worker';
import { TemporalUnreachable } from '../temporal/temporal-unreachable.ts';
import { connectToServer } from '../temporal/connect.ts';
import type { TemporalSettings } from '../temporal/settings.ts';

const CHECK_INTERVAL_MS = 1_000;

/**
 * Runs the workers of a process until all have stopped or one has failed. The SDK gives up a worker when the server
 * has rejected its polls for a minute, for example because a key has expired.
 * @param stop called when one worker has stopped; stops all of them
 * @throws TemporalUnreachable that says why the server rejects the credentials, otherwise the SDK's error. Workers
 * may then run forever, so the process must be ended.
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
    throw await connectionFailure(error, settings);
  } finally {
    over.abort();
  }
}

/**
 * Runs a worker until it has stopped or failed.
 * @throws TemporalUnreachable or the SDK's error if it has failed
 */
export async function untilEnded(worker: Worker): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([worker.run(), untilOneFails([worker], over.signal)]);
  } finally {
    over.abort();
  }
}

/**
 * The promise of `run()` stays pending if the server rejects the polls of activities (SDK 1.24), so the state is
 * checked.
 */
async function untilOneFails(workers: readonly Worker[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const failed = workers.find((worker) => worker.getState() === 'FAILED');
    if (failed !== undefined)
      throw new TemporalUnreachable(
        `The worker of the queue ${failed.options.taskQueue} has failed, for the reason that its log says.`,
      );
    await sleep(CHECK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The problem of a new connection, which has a better message; the SDK's error if a new connection succeeds. */
async function connectionFailure(error: unknown, settings: TemporalSettings): Promise<unknown> {
  try {
    await (await connectToServer(settings)).close();
    return error;
  } catch (problem) {
    return problem;
  }
}
