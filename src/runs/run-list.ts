/** Runs, evaluations and judgings beside each other: what the store knows of each and what Temporal knows, as one row. */
import type { WorkflowExecutionStatusName } from '@temporalio/client';
import type { WORKFLOW_TYPES } from '../config/kind.ts';
import { type Kind, kindOfWorkflow } from '../config/kind.ts';
import type { Configuration } from '../config/schema.ts';
import type { RunProgress } from '../contract/progress.ts';
import type { EvaluationSummary, IterationSummary } from '../contract/result.ts';
import type { StoredRun } from './stored-run.ts';

/** `unfinished`: the store has it, does not say how it ended, and no server says that it is under way. */
export const RUN_STATUSES = ['running', 'paused', 'finished', 'failed', 'cancelled', 'unfinished'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

/** One execution of a run's workflow as Temporal lists it. */
export interface TemporalRun {
  readonly runName: string;
  readonly workflowId: string;
  readonly runId: string;
  /** Of the chain that it belongs to, where the server tells it. */
  readonly firstRunId: string | undefined;
  readonly type: (typeof WORKFLOW_TYPES)[Kind];
  readonly status: WorkflowExecutionStatusName;
  readonly startedAt: Date;
  readonly closedAt: Date | undefined;
  /** What the search attributes and the memo say; undefined where the namespace has none of ours. */
  readonly phase?: string | undefined;
  readonly iteration?: number | undefined;
  readonly bestAccuracy?: number | undefined;
  readonly seedModel?: string | undefined;
}

export interface RunRow {
  readonly runName: string;
  readonly kind: Kind;
  readonly status: RunStatus;
  readonly where: 'both' | 'store' | 'temporal';
  /** While it is under way, where somebody tells. */
  readonly phase?: string | undefined;
  /** The last iteration that was begun, of those asked for; of runs alone. */
  readonly iteration?: number | undefined;
  readonly iterations?: number | undefined;
  /** Of the best judge, on the benchmark that it was chosen by; 0 to 1. */
  readonly bestAccuracy?: number | undefined;
  readonly seedModel?: string | undefined;
  /** ISO 8601. */
  readonly startedAt?: string | undefined;
  readonly endedAt?: string | undefined;
  /** From start to end, or until now. */
  readonly seconds?: number | undefined;
  /** In the store. */
  readonly bytes?: number | undefined;
}

/** Whether Temporal says that an execution is under way. */
export function isOpenStatus(status: WorkflowExecutionStatusName): boolean {
  return status === 'RUNNING' || status === 'PAUSED';
}

/**
 * Which of the executions under one name tells how the run stands: one that is under way, else the one that owns the
 * folder (a start that was refused owns nothing), else the newest.
 */
export function tellingExecution(
  executions: readonly TemporalRun[],
  stored: StoredRun | undefined,
): TemporalRun | undefined {
  const newestFirst = executions.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime());
  const owner = stored?.owner?.holder;
  const isOwner = ({ workflowId, runId, firstRunId }: TemporalRun) =>
    workflowId === owner?.workflowId && (firstRunId ?? runId) === owner.firstRunId;
  const open = newestFirst.filter(({ status }) => isOpenStatus(status));
  return open.find(isOwner) ?? open[0] ?? newestFirst.find(isOwner) ?? newestFirst[0];
}

/**
 * @param progress what the run answers itself, where it is under way and a worker answers for it
 * @param now milliseconds since the epoch
 */
export function runRow(
  runName: string,
  known: {
    readonly stored?: StoredRun | undefined;
    readonly execution?: TemporalRun | undefined;
    readonly progress?: RunProgress | undefined;
    readonly bytes?: number | undefined;
  },
  now: number,
): RunRow {
  const { stored, execution, progress, bytes } = known;
  const status = statusOf(known);
  const isUnderWay = status === 'running' || status === 'paused';
  const judges = progress?.completed ?? stored?.judges ?? [];
  const best = bestOf(judges, progress?.best ?? stored?.best ?? 0);
  const kind = stored?.kind ?? (execution && kindOfWorkflow(execution.type)) ?? 'run';
  const { configuration } = stored?.resolved ?? {};
  const startedAt =
    progress?.startedAt ??
    (isUnderWay ? undefined : stored?.state?.startedAt) ??
    execution?.startedAt.toISOString();
  const endedAt = isUnderWay ? undefined : (execution?.closedAt?.toISOString() ?? stored?.state?.updatedAt);
  const until = isUnderWay ? now : endedAt === undefined ? undefined : Date.parse(endedAt);
  const asked = progress?.iterations ?? (configuration as Partial<Configuration> | undefined)?.iterations;
  return {
    runName,
    kind,
    status,
    where: stored === undefined ? 'temporal' : execution === undefined ? 'store' : 'both',
    ...(isUnderWay ? { phase: progress?.phase ?? execution?.phase } : {}),
    ...(kind === 'run'
      ? { iteration: iterationOf(judges, progress, execution, isUnderWay), iterations: asked }
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
  switch (execution?.status) {
    case 'RUNNING':
      return progress?.paused === undefined ? 'running' : 'paused';
    case 'PAUSED':
      return 'paused';
    case 'COMPLETED':
      return 'finished';
    case 'FAILED':
    case 'TIMED_OUT':
      return 'failed';
    case 'CANCELLED':
    case 'TERMINATED':
      return 'cancelled';
    case 'CONTINUED_AS_NEW':
    case 'UNSPECIFIED':
    case 'UNKNOWN':
    case undefined:
      return stored?.ended ?? 'unfinished';
  }
}

function iterationOf(
  judges: readonly IterationSummary[],
  progress: RunProgress | undefined,
  execution: TemporalRun | undefined,
  isUnderWay: boolean,
): number | undefined {
  const begun = [
    ...judges.map(({ iteration }) => iteration),
    ...(progress?.stages.map(({ iteration }) => iteration) ?? []),
    ...(execution?.iteration === undefined || !isUnderWay ? [] : [execution.iteration]),
  ];
  return begun.length === 0 ? execution?.iteration : Math.max(...begun);
}

/** The figures that `EvaluatorBestAccuracy` tells too: on the validation benchmark, where there is one. */
export function bestOf(judges: readonly IterationSummary[], best: number): EvaluationSummary | undefined {
  const evaluations = judges.find(({ iteration }) => iteration === best)?.evaluations ?? [];
  return evaluations.find(({ purpose }) => purpose === 'validation') ?? evaluations[0];
}
