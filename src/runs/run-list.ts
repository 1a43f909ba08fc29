/** Lists runs, evaluations and judgings: one row for each, combined from the store and Temporal. */
import { currentIteration } from '../api/current-iteration.ts';
import type { WorkflowExecutionStatusName } from '@temporalio/client';
import type { WORKFLOW_TYPES } from '../api/temporal-names.ts';
import type { ConfigurationKind } from '../config/configuration-kind.ts';
import { kindOfWorkflowType } from '../api/temporal-names.ts';
import type { RunProgress } from '../api/progress.ts';
import { isActiveStatus, statusOfExecution, type RunStatus } from '../api/run-status.ts';
import type { EvaluationSummary, IterationSummary } from '../api/result.ts';
import type { StoredRun } from './stored-run.ts';

/** An execution of the workflow of a run, from a list of Temporal. */
export interface TemporalExecution {
  readonly runName: string;
  readonly workflowId: string;
  readonly runId: string;
  /** The id of the first run of its chain, if the server reports it. */
  readonly firstRunId: string | undefined;
  readonly type: (typeof WORKFLOW_TYPES)[ConfigurationKind];
  readonly status: WorkflowExecutionStatusName;
  readonly startedAt: Date;
  readonly closedAt: Date | undefined;
  /** From the search attributes and the memo; undefined if the namespace lacks them. */
  readonly ownStatus?: string | undefined;
  readonly iteration?: number | undefined;
  readonly bestAccuracy?: number | undefined;
  readonly seedModel?: string | undefined;
}

export interface RunRow {
  readonly runName: string;
  readonly kind: ConfigurationKind;
  readonly status: RunStatus;
  readonly foundIn: 'both' | 'store' | 'temporal';
  /** The latest iteration of the requested ones; only for runs. */
  readonly iteration?: number | undefined;
  readonly iterations?: number | undefined;
  /** The accuracy of the best judge on the benchmark that selected it; 0 to 1. */
  readonly bestAccuracy?: number | undefined;
  readonly seedModel?: string | undefined;
  /** ISO 8601. */
  readonly startedAt?: string | undefined;
  readonly endedAt?: string | undefined;
  /** Seconds from start to end, or until now. */
  readonly seconds?: number | undefined;
  /** Bytes in the store. */
  readonly bytes?: number | undefined;
}

/** True if Temporal reports that an execution has not ended. */
export function isOpenStatus(name: WorkflowExecutionStatusName): boolean {
  return isActiveStatus(statusOfExecution(name));
}

/**
 * Selects the execution that determines the status among those of one name: an open one, otherwise the one that owns
 * the folder (a rejected start owns nothing), otherwise the newest.
 */
export function currentExecution(
  executions: readonly TemporalExecution[],
  stored: StoredRun | undefined,
): TemporalExecution | undefined {
  const newestFirst = executions.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime());
  const owner = stored?.owner?.holder;
  const isOwner = ({ workflowId, runId, firstRunId }: TemporalExecution) =>
    workflowId === owner?.workflowId && (firstRunId ?? runId) === owner.firstRunId;
  const open = newestFirst.filter(({ status }) => isOpenStatus(status));
  return open.find(isOwner) ?? open[0] ?? newestFirst.find(isOwner) ?? newestFirst[0];
}

/**
 * @param progress the answer of the run to the query `progress`, if it is running and has a worker
 * @param now milliseconds since the epoch
 */
export function runRow(
  runName: string,
  sources: {
    readonly stored?: StoredRun | undefined;
    readonly execution?: TemporalExecution | undefined;
    readonly progress?: RunProgress | undefined;
    readonly bytes?: number | undefined;
  },
  now: number,
): RunRow {
  const { stored, execution, progress, bytes } = sources;
  const status = statusOf(sources);
  const isUnderWay = isActiveStatus(status);
  const judges = progress?.completedIterations ?? stored?.judges ?? [];
  const best = bestEvaluation(judges, progress?.best ?? stored?.best ?? 0);
  const kind = stored?.kind ?? (execution && kindOfWorkflowType(execution.type)) ?? 'run';
  const { configuration } = stored?.resolved ?? {};
  const startedAt =
    progress?.startedAt ??
    (isUnderWay ? undefined : stored?.state?.startedAt) ??
    execution?.startedAt.toISOString();
  const endedAt = isUnderWay ? undefined : (execution?.closedAt?.toISOString() ?? stored?.state?.updatedAt);
  const until = isUnderWay ? now : endedAt === undefined ? undefined : Date.parse(endedAt);
  const configured =
    configuration !== undefined && 'iterations' in configuration ? configuration.iterations : undefined;
  // A run that is still being planned says 0.
  const requested = progress?.requestedIterations || configured;
  return {
    runName,
    kind,
    status,
    foundIn: stored === undefined ? 'temporal' : execution === undefined ? 'store' : 'both',
    ...(kind === 'run'
      ? { iteration: reportIteration(judges, progress, execution, isUnderWay), iterations: requested }
      : {}),
    bestAccuracy: best?.accuracy ?? execution?.bestAccuracy,
    seedModel: configuration?.models.seed.checkpoint ?? execution?.seedModel,
    startedAt,
    endedAt,
    seconds:
      until === undefined || startedAt === undefined
        ? undefined
        : Math.max(0, (until - Date.parse(startedAt)) / 1000),
    bytes,
  };
}

function statusOf({
  stored,
  execution,
  progress,
}: Pick<Parameters<typeof runRow>[1], 'stored' | 'execution' | 'progress'>): RunStatus {
  const status = execution === undefined ? undefined : statusOfExecution(execution.status);
  if (status === undefined) return stored?.endStatus ?? 'interrupted';
  if (status !== 'running') return status;
  const ownStatus = progress?.status ?? execution?.ownStatus;
  return isActiveStatus(ownStatus) ? ownStatus : 'running';
}

function reportIteration(
  judges: readonly IterationSummary[],
  progress: RunProgress | undefined,
  execution: TemporalExecution | undefined,
  isUnderWay: boolean,
): number | undefined {
  const begun = [
    ...judges.map(({ iteration }) => iteration),
    ...(progress === undefined ? [] : [currentIteration(progress)]),
    ...(execution?.iteration === undefined || !isUnderWay ? [] : [execution.iteration]),
  ];
  return begun.length === 0 ? execution?.iteration : Math.max(...begun);
}

/** The same figures as the search attribute `EvaluatorBestAccuracy`: on the validation benchmark if there is one. */
export function bestEvaluation(
  judges: readonly IterationSummary[],
  best: number,
): EvaluationSummary | undefined {
  const evaluations = judges.find(({ iteration }) => iteration === best)?.evaluations ?? [];
  return evaluations.find(({ purpose }) => purpose === 'validation') ?? evaluations[0];
}
