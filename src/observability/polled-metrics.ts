import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { BREAKER_STATES } from '../models/inference/circuit-breaker.ts';
import type { InferenceClient } from '../models/inference/client.ts';
import type { ServerSupervisor } from '../models/serving/supervisor.ts';
import type { WorkerMetrics } from './worker-metrics.ts';
import { endpointHost } from './model-request-metrics.ts';

/** Sources that are polled, because they don't notify of changes. */
export interface PolledSources {
  readonly inference: Pick<InferenceClient, 'statistics'>;
  /** Undefined in a worker without the role gpu. */
  readonly modelServers: Pick<ServerSupervisor, 'countByState'> | undefined;
  readonly temporal: Client;
  /** The queues that this process's workers listen to. */
  readonly taskQueues: readonly string[];
}

const CHECK_INTERVAL_SECONDS = 2;
/** Temporal updates its estimate every 5 s, and each poll is a request for every queue and type. */
const QUEUE_POLL_SECONDS = 15;

/** TaskQueueType of Temporal's API. */
const TASK_QUEUE_TYPES = { workflow: 1, activity: 2 };

/** Polls until the signal aborts. A failed poll leaves the gauge unchanged: `/readyz` reports an outage of Temporal. */
export async function pollMetrics(
  metrics: WorkerMetrics,
  sources: PolledSources,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([
    repeatEvery(CHECK_INTERVAL_SECONDS, signal, () => {
      pollRequests(metrics, sources.inference);
      if (sources.modelServers !== undefined) pollServers(metrics, sources.modelServers);
    }),
    repeatEvery(QUEUE_POLL_SECONDS, signal, () => pollTaskQueues(metrics, sources)),
  ]);
}

async function repeatEvery(
  seconds: number,
  signal: AbortSignal,
  poll: () => void | Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await poll();
    } catch {
      // The next poll may succeed.
    }
    await sleep(seconds * 1000, undefined, { ref: false, signal }).catch(() => undefined);
  }
}

function pollRequests(metrics: WorkerMetrics, inference: PolledSources['inference']): void {
  for (const [baseUrl, statistics] of Object.entries(inference.statistics())) {
    const labels = { endpoint: endpointHost({ baseUrl }) };
    metrics.modelRequestsInFlight(statistics.inFlight, labels);
    metrics.modelRequestsWaiting(statistics.waiting, labels);
    metrics.modelRequestsLimit(statistics.concurrencyLimit, labels);
    metrics.modelRequestsRateLimit(statistics.rateLimit ?? 0, labels);
    for (const state of BREAKER_STATES)
      metrics.modelEndpointState(statistics.breaker === state ? 1 : 0, { ...labels, state });
  }
}

function pollServers(metrics: WorkerMetrics, servers: Pick<ServerSupervisor, 'countByState'>): void {
  for (const [state, count] of Object.entries(servers.countByState())) metrics.modelServers(count, { state });
}

async function pollTaskQueues(
  metrics: WorkerMetrics,
  { temporal: client, taskQueues }: PolledSources,
): Promise<void> {
  const { namespace } = client.options;
  for (const queue of taskQueues) {
    for (const [type, taskQueueType] of Object.entries(TASK_QUEUE_TYPES)) {
      const { stats } = await client.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: queue },
        taskQueueType,
        reportStats: true,
      });
      const age = stats?.approximateBacklogAge;
      const labels = { queue, type };
      metrics.taskQueueBacklog(Number(stats?.approximateBacklogCount ?? 0), labels);
      metrics.taskQueueBacklogAge(Number(age?.seconds ?? 0) + (age?.nanos ?? 0) / 1e9, labels);
    }
  }
}
