import { existsSync } from 'node:fs';
import { WorkflowFailedError } from '@temporalio/client';
import { failureMessage, type RunProgress } from '../../src/client.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { diskSize } from '../../src/runs/disk-size.ts';
import { runRow, tellingExecution, type RunRow, type TemporalRun } from '../../src/runs/run-list.ts';
import { runSheet, type RunSheet } from '../../src/runs/run-sheet.ts';
import { readStoredRun, storedRunNames, type StoredRun } from '../../src/runs/stored-run.ts';
import type { Temporal } from '../follow/connect.ts';
import { checkedRunName, noSuchRun, storeAt, temporalIfThere, warnWithoutStore } from './places.ts';
import { runText } from './run-text.ts';
import { executionsByName, progressOf } from './temporal-runs.ts';

/** All that is known of a run. */
export interface ShownRun extends RunRow, Partial<RunSheet> {
  readonly workflowId?: string | undefined;
  /** What it says of itself, while it is under way and a worker answers for it, or where the store lacks it. */
  readonly progress?: RunProgress | undefined;
}

export interface ShowOptions {
  readonly run: string;
  readonly store: string;
  readonly json: boolean;
}

/** @throws CommandError where neither the store nor Temporal knows the run */
export async function showRun({ run, store: storeOption, json }: ShowOptions): Promise<void> {
  const name = checkedRunName(run);
  const store = storeAt(storeOption);
  warnWithoutStore(store);
  const stored = await readStoredRun(store, name);
  const temporal = await temporalIfThere(
    'What follows is from the store alone: it does not know what is under way.',
  );
  const executions = temporal === undefined ? undefined : await executionsByName(temporal);
  const execution = tellingExecution(executions?.get(name) ?? [], stored);
  if (stored === undefined && execution === undefined) {
    const where = [
      ...(existsSync(store.root) ? [`in the store ${store.root}`] : []),
      ...(temporal === undefined ? [] : [`at ${temporal.address}, namespace ${temporal.namespace}`]),
    ].join(', nor ');
    throw noSuchRun(name, where, [...(await storedRunNames(store)), ...(executions?.keys() ?? [])]);
  }
  const shown = await everythingOf(name, store, stored, temporal, execution);
  console.log(json ? JSON.stringify(shown) : runText(shown));
}

async function everythingOf(
  name: string,
  store: ArtifactStore,
  stored: StoredRun | undefined,
  temporal: Temporal | undefined,
  execution: TemporalRun | undefined,
): Promise<ShownRun> {
  const told =
    temporal === undefined || execution === undefined
      ? undefined
      : (await progressOf(temporal, [execution])).get(execution.workflowId);
  const progress =
    told ??
    (stored === undefined && temporal && execution ? await lastProgress(temporal, execution) : undefined);
  const bytes = stored === undefined ? undefined : await diskSize(store.path(name));
  const row = runRow(name, { stored, execution, progress, bytes }, Date.now());
  const sheet = stored === undefined ? undefined : await runSheet(store, stored);
  const failure =
    row.status === 'failed' || row.status === 'cancelled'
      ? ((temporal && execution && (await failureOf(temporal, execution))) ?? sheet?.failure)
      : undefined;
  return {
    ...row,
    workflowId: execution?.workflowId ?? stored?.owner?.holder.workflowId,
    ...sheet,
    failure,
    progress,
  };
}

/** What a run that has ended says of itself, where a worker answers for it. */
async function lastProgress(
  { client }: Temporal,
  { workflowId, runId }: TemporalRun,
): Promise<RunProgress | undefined> {
  const handle = client.workflow.getHandle(workflowId, runId);
  const asked = client.withDeadline(Date.now() + 3000, () => handle.query<RunProgress>('progress'));
  return asked.catch(() => undefined);
}

/** Why an execution ended without a result, by its history. */
async function failureOf(
  { client }: Temporal,
  { workflowId, runId }: TemporalRun,
): Promise<string | undefined> {
  try {
    await client.workflow.getHandle(workflowId, runId).result();
    return undefined;
  } catch (error) {
    return error instanceof WorkflowFailedError ? failureMessage(error) : undefined;
  }
}
