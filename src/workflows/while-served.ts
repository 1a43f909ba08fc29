import { ApplicationFailure, CancellationScope } from '@temporalio/workflow';
import { FAILURES } from '../api/temporal-names.ts';
import { pinnedWorkerActivities } from './activity-proxies.ts';
import type { MapShardsInput } from './map-shards-types.ts';
import { isWorkerMissing } from './pinned-worker.ts';

/**
 * Runs a stage while the machine that serves its model watches the server.
 * @throws ApplicationFailure of the type ServerUnavailable if no worker of the machine answers in time, or the server is gone
 */
export async function whileServerWatched(
  { stage, shardInput, timeouts }: MapShardsInput,
  work: () => Promise<unknown>,
): Promise<void> {
  const { model, iteration } = shardInput;
  const { servedFor, baseUrl } = model;
  if (servedFor === undefined) {
    await work();
    return;
  }
  const scope = new CancellationScope();
  const watching = scope.run(() =>
    pinnedWorkerActivities(servedFor.machineQueue, timeouts).watchServer.executeWithOptions(
      { summary: `watch the server of ${stage}, iteration ${iteration}` },
      [{ baseUrl: String(baseUrl) }],
    ),
  );
  const working = work();
  const watched = watching.then(
    () => working,
    (error: unknown) => {
      throw isWorkerMissing(error) ? machineGone(servedFor.machineQueue) : error;
    },
  );
  // The one that ends second may fail without consequences.
  working.catch(() => undefined);
  watched.catch(() => undefined);
  try {
    await Promise.race([working, watched]);
  } finally {
    scope.cancel();
  }
}

function machineGone(queue: string): ApplicationFailure {
  const message = `the machine that serves the model is gone: no worker takes work from the queue ${queue}`;
  return ApplicationFailure.create({
    ...{ type: FAILURES.serverUnavailable, nonRetryable: true, message },
    details: [{ queueWithoutWorker: queue }],
  });
}

/** The queue of the machine that is gone, if that is why a stage failed. */
export function queueWithoutWorker(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!(cause instanceof ApplicationFailure) || cause.type !== FAILURES.serverUnavailable) continue;
    const [detail] = (cause.details ?? []) as [{ readonly queueWithoutWorker?: string }?];
    return detail?.queueWithoutWorker;
  }
  return undefined;
}
