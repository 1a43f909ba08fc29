/** What Temporal knows of runs, evaluations and judgings. */
import { NamespaceNotFoundError, type WorkflowExecutionInfo } from '@temporalio/client';
import pLimit from 'p-limit';
import { findRun, type RunProgress } from '../../src/client.ts';
import { isOpenStatus, type TemporalRun } from '../../src/runs/run-list.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import { CommandError } from '../cli/command-error.ts';
import type { Temporal } from '../follow/connect.ts';
import { RUNS } from '../follow/find-run.ts';

const ASKED_AT_ONCE = 16;
/** A run answers by a worker; one that has none doesn't. */
const ANSWER_MILLISECONDS = 3000;

/** Every execution of a run, an evaluation or a judging of its own, by the run's name. */
export async function executionsByName({
  client,
  address,
  namespace,
}: Temporal): Promise<Map<string, TemporalRun[]>> {
  try {
    const all = await Array.fromAsync(client.workflow.list({ query: RUNS }));
    const own = all.filter(
      ({ parentExecution, status }) => !parentExecution?.workflowId && status.name !== 'CONTINUED_AS_NEW',
    );
    return Map.groupBy(own.map(asRun), ({ runName }) => runName);
  } catch (error) {
    if (!(error instanceof NamespaceNotFoundError)) throw error;
    throw new CommandError(
      'unreachable',
      `The Temporal server at ${address} has no namespace ${JSON.stringify(namespace)}: set TEMPORAL_NAMESPACE, or choose another profile.`,
    );
  }
}

function asRun(info: WorkflowExecutionInfo): TemporalRun {
  const { workflowId, runId, type, status, startTime, closeTime, memo, typedSearchAttributes, raw } = info;
  const text = (name: string) => (typeof memo?.[name] === 'string' ? memo[name] : undefined);
  const { phase, iteration, bestAccuracy } = SEARCH_ATTRIBUTES;
  return {
    runName: text('runName') ?? workflowId,
    workflowId,
    runId,
    firstRunId: (raw as { firstRunId?: string | null }).firstRunId ?? undefined,
    type: type as TemporalRun['type'],
    status: status.name,
    startedAt: startTime,
    closedAt: closeTime,
    phase: typedSearchAttributes.get(phase),
    iteration: typedSearchAttributes.get(iteration),
    bestAccuracy: typedSearchAttributes.get(bestAccuracy),
    seedModel: text('seedModel') ?? text('judge'),
  };
}

/** What each run that is under way says of itself, by workflow id, where a worker answers for it. */
export async function progressOf(
  { client }: Temporal,
  executions: readonly TemporalRun[],
): Promise<Map<string, RunProgress>> {
  const open = executions.filter(({ status }) => isOpenStatus(status));
  const answers = await pLimit(ASKED_AT_ONCE).map(open, async ({ workflowId }) => {
    const asked = client.withDeadline(Date.now() + ANSWER_MILLISECONDS, () =>
      findRun(client, workflowId).progress(),
    );
    const progress = await asked.catch(() => undefined);
    return progress === undefined ? [] : [[workflowId, progress] as const];
  });
  return new Map(answers.flat());
}
