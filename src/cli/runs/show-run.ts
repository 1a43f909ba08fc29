import { WorkflowFailedError } from '@temporalio/client';
import { failureMessage, type RunProgress } from '../../client/index.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { storedBytes } from '../../runs/stored-bytes.ts';
import { runRow, currentExecution, isOpenStatus, type TemporalExecution } from '../../runs/run-list.ts';
import { unansweredReason } from '../../temporal/missing-worker.ts';
import { readRunDetails } from '../../reporting/run-details.ts';
import { readStoredRun, storedRunNames, type StoredRun } from '../../runs/stored-run.ts';
import type { TemporalConnection } from '../temporal/connect.ts';
import { requireRunName, runNotFoundError, connectIfReachable, warnIfStoreMissing } from './run-lookup.ts';
import { openStore } from '../../store/artifact-store.ts';
import type { DisplayedRun } from './displayed-run.ts';
import { runText } from './run-text.ts';
import { executionsByName, progressByWorkflow } from '../temporal/executions.ts';
import { printResult } from '../core/output.ts';

export interface ShowOptions {
  readonly run: string;
  readonly store: string;
  readonly json: boolean;
}

/** @throws CommandError if neither the store nor Temporal has the run */
export async function showRun({ run, store: storeOption, json }: ShowOptions): Promise<void> {
  const name = requireRunName(run);
  const store = openStore(storeOption);
  await warnIfStoreMissing(store);
  const stored = await readStoredRun(store, name);
  const temporal = await connectIfReachable(
    'The following comes from the store alone, which does not know whether the run is open.',
  );
  const executions = temporal === undefined ? undefined : await executionsByName(temporal);
  const execution = currentExecution(executions?.get(name) ?? [], stored);
  if (stored === undefined && execution === undefined) {
    const places = [
      ...((await store.objects.exists()) ? [`in the store ${store.address}`] : []),
      ...(temporal === undefined ? [] : [`at ${temporal.address}, namespace ${temporal.namespace}`]),
    ].join(', nor ');
    throw runNotFoundError(name, places, [...(await storedRunNames(store)), ...(executions?.keys() ?? [])]);
  }
  const shown = await loadRun(name, store, stored, temporal, execution);
  printResult(json, shown, () => runText(shown));
}

async function loadRun(
  name: string,
  store: ArtifactStore,
  stored: StoredRun | undefined,
  temporal: TemporalConnection | undefined,
  execution: TemporalExecution | undefined,
): Promise<DisplayedRun> {
  const current =
    temporal === undefined || execution === undefined
      ? undefined
      : (await progressByWorkflow(temporal, [execution])).get(execution.workflowId);
  const unanswered =
    temporal && execution && current === undefined && isOpenStatus(execution.status)
      ? await unansweredReason(temporal.client, execution.workflowId)
      : undefined;
  const progress =
    current ??
    (stored === undefined && temporal && execution ? await lastProgress(temporal, execution) : undefined);
  const bytes = stored === undefined ? undefined : await storedBytes(store, name);
  const row = runRow(name, { stored, execution, progress, bytes }, Date.now());
  const details = stored === undefined ? undefined : await readRunDetails(store, stored);
  const failure =
    row.status === 'failed' || row.status === 'cancelled'
      ? ((temporal && execution && (await failureOf(temporal, execution))) ?? details?.failure)
      : undefined;
  return {
    ...row,
    workflowId: execution?.workflowId ?? stored?.owner?.holder?.workflowId,
    ...details,
    failure,
    progress,
    unanswered,
  };
}

/** The last progress of an ended run, if a worker answers. */
async function lastProgress(
  { client }: TemporalConnection,
  { workflowId, runId }: TemporalExecution,
): Promise<RunProgress | undefined> {
  const handle = client.workflow.getHandle(workflowId, runId);
  const query = client.withDeadline(Date.now() + 3000, () => handle.query<RunProgress>('progress'));
  return query.catch(() => undefined);
}

/** The failure of an execution, from its history. */
async function failureOf(
  { client }: TemporalConnection,
  { workflowId, runId }: TemporalExecution,
): Promise<string | undefined> {
  try {
    await client.workflow.getHandle(workflowId, runId).result();
    return undefined;
  } catch (error) {
    return error instanceof WorkflowFailedError ? failureMessage(error) : undefined;
  }
}
