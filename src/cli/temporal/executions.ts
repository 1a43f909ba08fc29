/** Reads the executions of runs, evaluations and judgings from Temporal. */
import { type WorkflowExecutionInfo } from '@temporalio/client';
import pLimit from 'p-limit';
import { findRun, type RunProgress } from '../../client/index.ts';
import { isOpenStatus, type TemporalExecution } from '../../runs/run-list.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/search-attributes.ts';
import type { TemporalConnection } from './connect.ts';
import { RUN_WORKFLOWS_QUERY } from './resolve-run.ts';

const MAX_CONCURRENT_QUERIES = 16;
/** A query is answered by a worker, so it stays unanswered if there is none. */
const ANSWER_MILLISECONDS = 3000;

/** All executions of runs, evaluations and judgings, without child workflows, by the run's name. */
export async function executionsByName({
  client,
}: TemporalConnection): Promise<Map<string, TemporalExecution[]>> {
  const all = await Array.fromAsync(client.workflow.list({ query: RUN_WORKFLOWS_QUERY }));
  const topLevel = all.filter(
    ({ parentExecution, status }) => !parentExecution?.workflowId && status.name !== 'CONTINUED_AS_NEW',
  );
  return Map.groupBy(topLevel.map(toTemporalExecution), ({ runName }) => runName);
}

function toTemporalExecution(info: WorkflowExecutionInfo): TemporalExecution {
  const { workflowId, runId, type, status, startTime, closeTime, memo, typedSearchAttributes, raw } = info;
  const text = (name: string) => (typeof memo?.[name] === 'string' ? memo[name] : undefined);
  const { status: statusKey, iteration, bestAccuracy } = SEARCH_ATTRIBUTES;
  return {
    runName: text('runName') ?? workflowId,
    workflowId,
    runId,
    firstRunId: (raw as { firstRunId?: string | null }).firstRunId ?? undefined,
    type: type as TemporalExecution['type'],
    status: status.name,
    startedAt: startTime,
    closedAt: closeTime,
    ownStatus: typedSearchAttributes.get(statusKey),
    iteration: typedSearchAttributes.get(iteration),
    bestAccuracy: typedSearchAttributes.get(bestAccuracy),
    seedModel: text('seedModel') ?? text('judge'),
  };
}

/** The progress of each open run that a worker answers for, by workflow id. */
export async function progressByWorkflow(
  { client }: TemporalConnection,
  executions: readonly TemporalExecution[],
): Promise<Map<string, RunProgress>> {
  const open = executions.filter(({ status }) => isOpenStatus(status));
  const answers = await pLimit(MAX_CONCURRENT_QUERIES).map(open, async ({ workflowId }) => {
    const query = client.withDeadline(Date.now() + ANSWER_MILLISECONDS, () =>
      findRun(client, workflowId).progress(),
    );
    const progress = await query.catch(() => undefined);
    return progress === undefined ? [] : [[workflowId, progress] as const];
  });
  return new Map(answers.flat());
}
