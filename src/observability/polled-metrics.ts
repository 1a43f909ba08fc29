import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { BREAKER_STATES } from '../inference/breaker.ts';
import type { InferenceClient } from '../inference/client.ts';
import type { ServerSupervisor } from '../serving/supervisor.ts';
import type { WorkerMetrics } from './metrics.ts';
import { hostOf } from './model-request-metrics.ts';

/** What is looked at again and again, because nobody is told when it changes. */
export interface PolledSources {
  readonly inference: Pick<InferenceClient, 'statistics'>;
  /** Undefined in a worker without the role gpu. */
  readonly servers: Pick<ServerSupervisor, 'states'> | undefined;
  readonly temporal: Client;
  /** The queues that this process's workers listen to. */
  readonly taskQueues: readonly string[];
}

const LOOK_SECONDS = 2;
/** The server keeps its estimate for 5 s, and each look is a request for every queue and type. */
const QUEUE_SECONDS = 15;

/** TaskQueueType of Temporal's API. */
const TYPES = { workflow: 1, activity: 2 };

/** Looks until the signal aborts. A look that fails leaves the gauge as it was: that Temporal is gone is for `/readyz` to say. */
export async function pollMetrics(
  metrics: WorkerMetrics,
  sources: PolledSources,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([
    every(LOOK_SECONDS, signal, () => {
      lookAtRequests(metrics, sources.inference);
      if (sources.servers !== undefined) lookAtServers(metrics, sources.servers);
    }),
    every(QUEUE_SECONDS, signal, () => lookAtQueues(metrics, sources)),
  ]);
}

async function every(seconds: number, signal: AbortSignal, look: () => void | Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      await look();
    } catch {
      // The next look may see more.
    }
    await sleep(seconds * 1000, undefined, { ref: false, signal }).catch(() => undefined);
  }
}

function lookAtRequests(metrics: WorkerMetrics, inference: PolledSources['inference']): void {
  for (const [baseUrl, seen] of Object.entries(inference.statistics())) {
    const labels = { endpoint: hostOf({ baseUrl }) };
    metrics.modelRequestsInFlight(seen.inFlight, labels);
    metrics.modelRequestsWaiting(seen.waiting, labels);
    metrics.modelRequestsLimit(seen.limit, labels);
    metrics.modelRequestsRate(seen.rate ?? 0, labels);
    for (const state of BREAKER_STATES)
      metrics.modelEndpoints(seen.breaker === state ? 1 : 0, { ...labels, state });
  }
}

function lookAtServers(metrics: WorkerMetrics, servers: Pick<ServerSupervisor, 'states'>): void {
  for (const [state, count] of Object.entries(servers.states())) metrics.modelServers(count, { state });
}

async function lookAtQueues(
  metrics: WorkerMetrics,
  { temporal: client, taskQueues }: PolledSources,
): Promise<void> {
  const { namespace } = client.options;
  for (const queue of taskQueues) {
    for (const [type, taskQueueType] of Object.entries(TYPES)) {
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
