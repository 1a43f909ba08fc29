import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/client';
import { tryClaim } from '../store/claims.ts';
import { fieldDifferences, formatConflict } from '../platform/field-differences.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { Problem } from '../platform/problem.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { runUris } from './run-layout.ts';

/** The workflow that owns a run's folder. */
export interface RunOwner {
  readonly workflowId: string;
  /** The first Temporal run of its chain; it stays the same when the workflow continues as new. */
  readonly firstRunId: string;
  /** The fingerprint inputs of its configuration. A start under the same name with the same inputs joins the owner. */
  readonly fingerprint: Fingerprint;
}

export type ClaimResult =
  | { readonly kind: 'owned' }
  | { readonly kind: 'joined'; readonly owner: RunOwner }
  | { readonly kind: 'rejected'; readonly problem: Problem };

/**
 * Makes `me` the owner of a run's folder if nobody owns it or the owner is closed. Otherwise `me` joins the owner if
 * both have the same fingerprint inputs, and is rejected if not. The Temporal server can't guarantee a single owner,
 * because two workflows with different ids may use the same run name.
 */
export async function claimRun(
  deps: { readonly store: ArtifactStore; readonly temporal: Client },
  runName: string,
  me: RunOwner,
): Promise<ClaimResult> {
  const { objects } = deps.store;
  const claims = runUris.owner(runName);
  for (;;) {
    const current = await deps.store.latestClaim<RunOwner>(claims);
    const owner = current?.holder;
    if (owner?.workflowId === me.workflowId && owner.firstRunId === me.firstRunId) return { kind: 'owned' };
    // A workflow id has at most one open run: if the owner has our id but another run, it is closed.
    if (
      owner !== undefined &&
      owner.workflowId !== me.workflowId &&
      (await isWorkflowOpen(deps.temporal, owner.workflowId, owner.firstRunId))
    ) {
      const differences = fieldDifferences(owner.fingerprint, me.fingerprint);
      if (differences.length === 0) return { kind: 'joined', owner };
      const message = `the run ${JSON.stringify(runName)} belongs to the workflow ${owner.workflowId}, which is running with another configuration (${formatConflict(differences)}): choose another runName, or wait for it to end`;
      return { kind: 'rejected', problem: { path: 'runName', message } };
    }
    if (await tryClaim(objects, claims, current?.epoch ?? 0, me)) return { kind: 'owned' };
  }
}

/**
 * True if a workflow is still running. It is not if the server does not know it, or if another chain of runs than that
 * of `firstRunId` uses its id now.
 */
export async function isWorkflowOpen(
  client: Client,
  workflowId: string,
  firstRunId?: string,
): Promise<boolean> {
  try {
    const { status, runId, raw } = await client.workflow.getHandle(workflowId).describe();
    // Older servers do not report the first run.
    const first = raw.workflowExecutionInfo?.firstRunId || firstRunId || runId;
    if (firstRunId !== undefined && first !== firstRunId) return false;
    return status.name === 'RUNNING' || status.name === 'PAUSED';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
