/** Whether a run is under way: what frees disk must never touch one that is. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, type WorkflowExecutionStatusName, WorkflowNotFoundError } from '@temporalio/client';
import type { ArtifactStore } from '../artifacts/store.ts';
import { processState } from '../processes/identity.ts';
import { leaseSchema } from '../training/job.ts';
import { newestStart, readIfThere } from '../training/starts.ts';
import { isOpenStatus } from './run-list.ts';
import type { Ending, StoredRun } from './stored-run.ts';

/** What Temporal says of a run's workflow; `silent`: it can't be asked, `unknown`: it doesn't know it. */
export type Told = 'open' | 'finished' | 'failed' | 'cancelled' | 'unknown' | 'silent';

export type Life =
  | { readonly kind: 'over'; readonly ended: Ending }
  | { readonly kind: 'live'; readonly why: string }
  | { readonly kind: 'unclear'; readonly why: string };

/**
 * @param sign a sign of life in the store, in words, where there is one
 * @param assumeEnded what nobody says anything of counts as over
 */
export function lifeOf(
  { ended }: Pick<StoredRun, 'ended'>,
  told: Told,
  sign: string | undefined,
  assumeEnded: boolean,
): Life {
  if (told === 'open') return { kind: 'live', why: 'Temporal says that it is under way' };
  if (sign !== undefined) return { kind: 'live', why: sign };
  if (ended !== undefined) return { kind: 'over', ended };
  // Its result would stand in the store, had it come to one.
  if (told === 'failed' || told === 'cancelled') return { kind: 'over', ended: told };
  if (assumeEnded) return { kind: 'over', ended: 'cancelled' };
  const asked =
    told === 'silent'
      ? 'no Temporal server answers'
      : told === 'unknown'
        ? 'the Temporal server does not know it'
        : 'Temporal says that it has finished, and the store has no result';
  return { kind: 'unclear', why: `the store does not say how it ended, and ${asked}` };
}

/**
 * What Temporal says of the run's own workflow and of the one that owns its folder: open if either is. How one ended counts
 * only where it is the owner's: a server that did not run it may know another one by the same name.
 * @throws what isn't an answer
 */
export async function tellOf(
  client: Client,
  { runName, owner }: Pick<StoredRun, 'runName' | 'owner'>,
): Promise<Told> {
  const ids = new Set([runName, ...(owner === undefined ? [] : [owner.holder.workflowId])]);
  let last: Told = 'unknown';
  for (const id of ids) {
    const found = await statusOf(client, id);
    if (found?.told === 'open') return 'open';
    if (found !== undefined && found.firstRunId === owner?.holder.firstRunId) last = found.told;
  }
  return last;
}

async function statusOf(
  client: Client,
  workflowId: string,
): Promise<{ told: Told; firstRunId: string } | undefined> {
  try {
    const { status, runId, raw } = await client.workflow.getHandle(workflowId).describe();
    // An older server doesn't tell the first run.
    return { told: toldBy(status.name), firstRunId: raw.workflowExecutionInfo?.firstRunId || runId };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function toldBy(status: WorkflowExecutionStatusName): Told {
  if (isOpenStatus(status)) return 'open';
  if (status === 'COMPLETED') return 'finished';
  return status === 'CANCELLED' || status === 'TERMINATED' ? 'cancelled' : 'failed';
}

/** Something that was written so recently is being worked on: a shard's records, a trainer's lease. */
const FRESH_MILLISECONDS = 60_000;

/** A sign in the store that somebody works on a run, in words. Clocks of two machines may differ: a sign is never the only one. */
export async function signOfLife(store: ArtifactStore, runName: string): Promise<string | undefined> {
  const root = store.path(runName);
  const names = await readdir(root);
  for (const name of names.filter((each) => /^iteration-\d+$/.test(each))) {
    const sign = await trainerAt(join(root, name, 'training'));
    if (sign !== undefined) return sign;
  }
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.startsWith('segment-') || !entry.parentPath.endsWith('.work'))
      continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs < FRESH_MILLISECONDS)
      return `records were written in the last minute, in ${entry.parentPath}`;
  }
  return undefined;
}

async function trainerAt(folder: string): Promise<string | undefined> {
  if (!existsSync(folder)) return undefined;
  const lease = await readIfThere(join(folder, 'lease.json'), leaseSchema);
  const start = await newestStart(folder);
  const launched = start?.exit === undefined ? start?.process : undefined;
  for (const trainer of [lease, launched])
    if (trainer !== undefined && (await processState(trainer)) === 'alive')
      return `a trainer is at work in ${folder}`;
  const isElsewhere = lease !== undefined && (await processState(lease)) === 'elsewhere';
  return isElsewhere && Date.now() - Date.parse(lease.renewedAt) < FRESH_MILLISECONDS
    ? `a trainer is at work in ${folder}, on ${lease.host}`
    : undefined;
}
