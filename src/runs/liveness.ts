/** Determines whether a run is open, because nothing of an open run may be deleted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type WorkflowExecutionStatusName, WorkflowNotFoundError } from '@temporalio/client';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { processState } from '../platform/process-identity.ts';
import { LEASE_FILE, leaseSchema, type TrainingLease } from '../models/training/job.ts';
import { launcherOf } from '../models/training/launchers/registry.ts';
import { newestStart } from '../models/training/trainer-starts.ts';
import type { ObjectStore } from '../store/objects/object-store.ts';
import { readJsonObject } from '../store/objects/read-json-object.ts';
import { statusOfExecution, type EndStatus } from '../api/run-status.ts';
import type { StoredRun } from './stored-run.ts';

/** The state of a run's workflow in Temporal. `not-found`: the server does not know it. `unreachable`: no server answers. */
export type TemporalState = 'open' | EndStatus | 'not-found' | 'unreachable';

export type Liveness =
  | { readonly kind: 'ended'; readonly endStatus: EndStatus }
  | { readonly kind: 'running'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/**
 * Decides if a run is running, from its state in the store, in Temporal, and in its files.
 * @param activity a sentence about recent activity in the run's folder; undefined if there was none
 * @param assumeEnded treats a run of unknown state as ended
 */
export function livenessOf(
  { endStatus }: Pick<StoredRun, 'endStatus'>,
  state: TemporalState,
  activity: string | undefined,
  assumeEnded: boolean,
): Liveness {
  if (state === 'open') return { kind: 'running', reason: 'it is running according to Temporal' };
  if (activity !== undefined) return { kind: 'running', reason: activity };
  if (endStatus !== undefined) return { kind: 'ended', endStatus };
  // A completed run would have left its result in the store.
  if (state === 'failed' || state === 'cancelled') return { kind: 'ended', endStatus: state };
  if (assumeEnded) return { kind: 'ended', endStatus: 'cancelled' };
  const temporal =
    state === 'unreachable'
      ? 'no Temporal server answers'
      : state === 'not-found'
        ? 'the Temporal server does not know it'
        : 'Temporal says that it has completed, but the store has no result';
  return { kind: 'unknown', reason: `the store does not say how it ended, and ${temporal}` };
}

/**
 * The state in Temporal of the run's own workflow and of the one that owns its folder: open if either is. The end of
 * a workflow counts only if it is the owner, because a server that did not execute the run may have another one of
 * the same name.
 * @throws errors other than an answer of the server
 */
export async function queryTemporalState(
  client: Client,
  { runName, owner }: Pick<StoredRun, 'runName' | 'owner'>,
): Promise<TemporalState> {
  const ids = new Set([runName, ...(owner?.holder === undefined ? [] : [owner.holder.workflowId])]);
  let last: TemporalState = 'not-found';
  for (const id of ids) {
    const found = await statusOf(client, id);
    if (found?.state === 'open') return 'open';
    if (found !== undefined && found.firstRunId === owner?.holder?.firstRunId) last = found.state;
  }
  return last;
}

async function statusOf(
  client: Client,
  workflowId: string,
): Promise<{ state: TemporalState; firstRunId: string } | undefined> {
  try {
    const { status, runId, raw } = await client.workflow.getHandle(workflowId).describe();
    // Older servers don't report the first run.
    return {
      state: temporalStateOf(status.name),
      firstRunId: raw.workflowExecutionInfo?.firstRunId || runId,
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function temporalStateOf(name: WorkflowExecutionStatusName): TemporalState {
  const status = statusOfExecution(name);
  return status === 'running' || status === 'paused' ? 'open' : (status ?? 'failed');
}

/** A file that was written this recently is in use: a shard's records, a trainer's lease. */
const FRESH_MILLISECONDS = 60_000;

/**
 * Describes recent activity in a run's folder. The clocks of two machines may differ, so it is never the only
 * evidence.
 */
export async function recentActivity(store: ArtifactStore, runName: string): Promise<string | undefined> {
  for (const name of await store.names(runName)) {
    if (!/^iteration-\d+$/.test(name)) continue;
    for (const folder of ['training', 'trainer']) {
      const activity = await trainerActivity(store, `${runName}/${name}/${folder}`);
      if (activity !== undefined) return activity;
    }
  }
  for (const { key, modifiedAt } of await store.objects.list(runName)) {
    const [, journal] = /^(.*\.journal)\/segment-/.exec(key) ?? [];
    if (journal !== undefined && Date.now() - modifiedAt.getTime() < FRESH_MILLISECONDS)
      return `records were written in the last minute, in ${store.locate(journal)}`;
  }
  return undefined;
}

async function trainerActivity(store: ArtifactStore, uri: string): Promise<string | undefined> {
  if (!(await store.exists(uri))) return undefined;
  const training = store.objectsBelow(uri);
  const { address } = training;
  const lease = await readJsonObject(training, LEASE_FILE, leaseSchema);
  const start = await newestStart(training);
  if (lease !== undefined && (await processState(lease)) === 'alive') return `a trainer runs in ${address}`;
  if (start?.exit === undefined && start?.job !== undefined) {
    const { phase } = await launcherOf({ kind: start.launcher }).look(start.job);
    if (phase === 'running' || phase === 'queued') return `a trainer of ${address} is ${phase}`;
  }
  const isElsewhere = lease !== undefined && (await processState(lease)) === 'remote';
  return isElsewhere && (await isRenewed(training, lease))
    ? `a trainer runs in ${address}, on ${lease.host}`
    : undefined;
}

/** Three times the time in which a trainer renews its lease (trainer/lease.py). */
const RENEWAL_WATCH_MILLISECONDS = 6000;

/** Whether a lease is renewed while this process looks: the clocks of two machines are not compared. */
async function isRenewed(training: ObjectStore, { renewedAt }: TrainingLease): Promise<boolean> {
  for (const deadline = performance.now() + RENEWAL_WATCH_MILLISECONDS; performance.now() < deadline;) {
    await sleep(training.isRemote ? 1000 : 200);
    const lease = await readJsonObject(training, LEASE_FILE, leaseSchema);
    if (lease?.renewedAt !== renewedAt) return lease !== undefined;
  }
  return false;
}
