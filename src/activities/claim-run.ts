import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/client';
import { claim, newestClaim } from '../artifacts/claim.ts';
import { differingFields } from '../artifacts/errors.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import type { Problem } from '../config/read-configuration.ts';
import type { Dependencies } from './dependencies.ts';
import { runUris } from './open-run.ts';

/** The workflow that owns a run's folder. */
export interface Owner {
  readonly workflowId: string;
  /** Of the first run of its chain; stays the same when the workflow continues as new. */
  readonly firstRunId: string;
  /** What its configuration means; a start under the same name with the same meaning joins. */
  readonly meaning: Fingerprint;
}

export type ClaimResult =
  | { readonly kind: 'owned' }
  | { readonly kind: 'joined'; readonly owner: Owner }
  | { readonly kind: 'refused'; readonly problem: Problem };

/**
 * Makes `me` the owner of a run's folder: at once where nobody owns it or the owner is closed; otherwise it joins the
 * owner where both mean the same, or is refused by name. A server can't see to this alone, because two workflows with
 * different ids may carry the same run name.
 */
export async function claimRun(deps: Dependencies, runName: string, me: Owner): Promise<ClaimResult> {
  const folder = deps.store.path(runUris.owner(runName));
  for (;;) {
    const current = await newestClaim<Owner>(folder);
    const owner = current?.holder;
    if (owner?.workflowId === me.workflowId && owner.firstRunId === me.firstRunId) return { kind: 'owned' };
    // One workflow id has one open run: an owner with our id but another run is closed.
    if (
      owner !== undefined &&
      owner.workflowId !== me.workflowId &&
      (await isOpen(deps.temporal, owner.workflowId, owner.firstRunId))
    ) {
      const differences = differingFields(owner.meaning, me.meaning);
      if (differences.length === 0) return { kind: 'joined', owner };
      const fields = differences
        .map(({ field, was, is }) => `${field} is ${was} there, ${is} here`)
        .join('; ');
      const message = `the run ${JSON.stringify(runName)} belongs to the workflow ${owner.workflowId}, which is running with another configuration (${fields}): choose another runName, or wait for it to end`;
      return { kind: 'refused', problem: { path: 'runName', message } };
    }
    if (await claim(folder, current?.epoch ?? 0, me)) return { kind: 'owned' };
  }
}

/**
 * Whether a workflow is still running; one that the server has forgotten is not, nor one whose id another chain of
 * runs than that of `firstRunId` has taken over.
 */
export async function isOpen(client: Client, workflowId: string, firstRunId?: string): Promise<boolean> {
  try {
    const { status, runId, raw } = await client.workflow.getHandle(workflowId).describe();
    // An older server doesn't tell the first run.
    const first = raw.workflowExecutionInfo?.firstRunId || firstRunId || runId;
    if (firstRunId !== undefined && first !== firstRunId) return false;
    return status.name === 'RUNNING' || status.name === 'PAUSED';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
