/** The progress of a run, as the query `progress` returns it. The class does not use Temporal, so that tests can drive it. */
import type { Counts } from '../store/artifact.ts';
import type { ActivityWait, TrainingNotice, TrainingStep } from '../api/signals.ts';
import type { ReportedWait } from '../api/activity-types.ts';
import { BUDGET_UNITS, type Usage } from '../api/budget.ts';
import type { StageName } from '../api/stages.ts';
import type { EndedStage, MachineTimes, RunProgress, StageProgress, Wait } from '../api/progress.ts';
import type { IterationSummary } from '../api/result.ts';
import type { ShardProgress } from '../api/signals.ts';
import { currentIteration } from '../api/current-iteration.ts';
import { BESIDE_STAGES, MachineTimesCounter } from './machine-times.ts';
import { hasNumbers } from './signal-validation.ts';

/** A stage that starts. */
export type StageDescription = Pick<StageProgress, 'iteration' | 'done' | 'total' | 'unit' | 'workflowId'> & {
  readonly name: StageName;
};

/** The stage that shows the shards of all benchmarks together. */
const EVALUATION_STAGE = 'evaluateJudge';
/** The same of the checkpoints of a training. */
const SELECTION_STAGE = 'selectCheckpoint';
const TRAINING_STAGE = 'fineTune';

/** Shorter waits are not remembered when they are over. */
const MIN_REMEMBERED_WAIT_SECONDS = 60;
/** The most waits that are remembered, so that a run's state and its report stay small. */
const MAX_REMEMBERED_WAITS = 50;

/** What a tracker keeps beside the progress when the run continues as new. */
export interface TrackerState {
  /** The waits that are over. */
  readonly endedWaits?: readonly ReportedWait[];
  readonly machines?: readonly MachineTimes[];
}

export class ProgressTracker {
  #progress: RunProgress;
  readonly #machines: MachineTimesCounter;
  readonly #shards = new Map<string, { readonly done: number; readonly shards: number }>();
  #endedWaits: readonly ReportedWait[];

  /** @param before the state before the run continued as new */
  constructor(initial: RunProgress, { endedWaits = [], machines = [] }: TrackerState = {}) {
    this.#progress = withPauseStatus(initial);
    this.#endedWaits = endedWaits;
    this.#machines = new MachineTimesCounter(Date.now(), machines);
  }

  /** The state for a run that continues as new. */
  get state(): TrackerState {
    return { endedWaits: this.#endedWaits, machines: this.machineTimes() };
  }

  /** The busy and idle times of the run's machines until now. */
  machineTimes(): MachineTimes[] {
    return this.#machines.read(this.#progress, Date.now());
  }

  /** The long waits that are over, the newest last. */
  get endedWaits(): readonly ReportedWait[] {
    return this.#endedWaits;
  }

  /** The long waits that are over, and those that last. */
  get allWaits(): readonly ReportedWait[] {
    const { waits = [] } = this.#progress;
    return [
      ...this.#endedWaits,
      ...waits.map(({ stage, iteration, reason, since }) => ({ stage, iteration, reason, since })),
    ];
  }

  get current(): RunProgress {
    return this.#progress;
  }

  update(change: Partial<RunProgress>): void {
    this.#machines.count(this.#progress, Date.now());
    this.#progress = withPauseStatus({ ...this.#progress, ...change });
  }

  /** The run is pinned to this machine from now on; undefined if it has none. */
  pinMachine(machine: string | undefined): void {
    this.#machines.count(this.#progress, Date.now());
    this.#machines.pin(machine);
  }

  /** Counts a machine as busy while `work` of a stage runs, unless the stage waits for something. */
  async useMachine<T>(
    machine: string,
    stage: Pick<StageProgress, 'name' | 'iteration'>,
    work: () => Promise<T>,
  ): Promise<T> {
    this.#machines.count(this.#progress, Date.now());
    const end = this.#machines.use(machine, stage);
    try {
      return await work();
    } finally {
      this.#machines.count(this.#progress, Date.now());
      end();
    }
  }

  /** Shows a stage as running while `work` runs, and keeps its counts. */
  async trackStage<T>(stage: StageDescription, work: () => Promise<T>): Promise<T> {
    const startedAt = new Date().toISOString();
    this.update({ stages: [...this.#progress.stages, { ...stage, startedAt }] });
    try {
      const result = await work();
      this.#keepEnded(stage, startedAt, countsOf(result));
      return result;
    } finally {
      const { waits = [] } = this.#progress;
      this.#setWaits(waits.filter((wait) => wait.stage !== stage.name || wait.iteration !== stage.iteration));
      const otherStages = this.#progress.stages.filter((other) => !isSameStage(other, stage));
      this.update({ stages: otherStages });
    }
  }

  #keepEnded({ name, iteration }: StageDescription, startedAt: string, counts: Counts | undefined): void {
    const { stages, endedStages = [], counts: before } = this.#progress;
    const loss = stages.find((shown) => isSameStage(shown, { name, iteration }))?.loss;
    const ended: EndedStage = {
      ...{ name, iteration, startedAt, seconds: (Date.now() - Date.parse(startedAt)) / 1000 },
      ...(counts === undefined ? {} : { counts }),
      ...(loss === undefined ? {} : { loss }),
    };
    this.update({
      endedStages: [...endedStages, ended],
      ...(counts === undefined ? {} : { counts: { ...before, [name]: counts } }),
    });
  }

  /** Adds a judge to the table of the run. Its summary has what is known of its stages. */
  completeIteration(summary: IterationSummary, best: number): void {
    const { completedIterations, endedStages = [] } = this.#progress;
    this.update({
      completedIterations: [...completedIterations, summary],
      best,
      endedStages: endedStages.filter(({ iteration }) => iteration > summary.iteration),
    });
  }

  /** Forgets stages of an iteration that was begun ahead and is not wanted: they leave no counts behind. */
  dropUnfinishedIteration(): void {
    const { completedIterations, endedStages = [], counts } = this.#progress;
    const last = completedIterations.at(-1);
    const dropped = endedStages.filter(({ iteration }) => iteration > (last?.iteration ?? 0));
    const before = dropped.map(({ name }) => [name, last?.counts[name]] as const);
    this.update({
      endedStages: endedStages.filter((ended) => !dropped.includes(ended)),
      counts: Object.fromEntries(
        Object.entries({ ...counts, ...Object.fromEntries(before) }).filter(
          (entry): entry is [string, Counts] => entry[1] !== undefined,
        ),
      ),
    });
  }

  /** Forgets all judges: the stages of the run are repeated from the first. */
  restart(): void {
    this.update({ completedIterations: [], best: 0, endedStages: [] });
  }

  /** Applies a stage's report. Reports may arrive out of order: one with fewer finished shards is ignored. */
  recordShards({ stage, iteration, benchmark, step, done, shards, counts, usage }: ShardProgress): void {
    this.recordUsage(usage);
    const ofEvaluation = step === undefined ? EVALUATION_STAGE : SELECTION_STAGE;
    const name = benchmark === undefined ? stage : ofEvaluation;
    const key = `${iteration}/${name}/${benchmark ?? ''}/${step ?? ''}`;
    if (done < (this.#shards.get(key)?.done ?? 0)) return;
    this.#shards.set(key, { done, shards });
    const shardsOfStage = [...this.#shards].filter(([other]) => other.startsWith(`${iteration}/${name}/`));
    const sum = (field: 'done' | 'shards') =>
      shardsOfStage.reduce((total, [, counts]) => total + counts[field], 0);
    const stages = this.#progress.stages.map((shown) =>
      shown.name === name && shown.iteration === iteration
        ? {
            ...shown,
            done: sum('done'),
            total: Math.max(sum('shards'), shown.total ?? 0),
            ...(benchmark === undefined ? { counts } : {}),
          }
        : shown,
    );
    this.update({ stages });
  }

  /** Applies the run's usage as a report saw it. Reports may arrive out of order: each figure only grows. */
  recordUsage(usage: Usage | undefined): void {
    const { budget } = this.#progress;
    if (budget === undefined || !hasNumbers(usage, ...BUDGET_UNITS)) return;
    const largest = BUDGET_UNITS.map((name) => [name, Math.max(budget.usage[name], usage[name])] as const);
    this.update({ budget: { ...budget, usage: Object.fromEntries(largest) as Usage } });
  }

  /** Adds warnings for readers of the figures, each once. */
  addWarnings(warnings: readonly string[]): void {
    this.update({ warnings: [...new Set([...this.#progress.warnings, ...warnings])] });
  }

  /** Applies a training's notice: its warnings, and how often it stalled. */
  recordTrainingNotice({ iteration, stalls, warnings }: TrainingNotice): void {
    this.addWarnings(warnings);
    if (stalls === 0) return;
    const stages = this.#progress.stages.map((shown) =>
      isSameStage(shown, { name: TRAINING_STAGE, iteration }) ? { ...shown, stalls } : shown,
    );
    this.update({ stages });
  }

  /**
   * Applies a worker's report of all that the run waits for. A wait that was known before keeps its start, because a worker that
   * has just started knows only when it saw the wait.
   * @returns whether a wait has begun or ended
   */
  recordWaits(reported: readonly ActivityWait[]): boolean {
    const { waits: before = [] } = this.#progress;
    const waits = reported.map((wait): Wait => {
      const existing = before.find((other) => isSameWait(other, wait));
      if (existing === undefined) return { ...this.#stageOfWait(wait), ...wait };
      return {
        ...existing,
        reason: wait.reason,
        since: existing.since < wait.since ? existing.since : wait.since,
      };
    });
    this.#setWaits(waits);
    return (
      waits.length !== before.length || waits.some((wait) => !before.some((each) => isSameWait(each, wait)))
    );
  }

  /** Finds the running stage that a wait belongs to: that of its child workflow, of its activity, or the one that began last. */
  #stageOfWait({ workflowId, activity }: ActivityWait): Pick<Wait, 'stage' | 'iteration' | 'benchmark'> {
    const { stages } = this.#progress;
    const ofChild = stages.find(
      (stage) => stage.workflowId !== undefined && `${workflowId}/`.startsWith(`${stage.workflowId}/`),
    );
    const benchmark =
      ofChild?.workflowId === undefined ? '' : workflowId.slice(ofChild.workflowId.length + 1);
    const stage =
      ofChild ??
      stages.find(({ name }) => name === activity) ??
      stages.findLast(({ name }) => !BESIDE_STAGES.includes(name)) ??
      stages.at(-1);
    return {
      stage: stage?.name ?? activity,
      iteration: stage?.iteration ?? currentIteration(this.#progress),
      ...(benchmark === '' ? {} : { benchmark }),
    };
  }

  #setWaits(waits: readonly Wait[]): void {
    const { waits: before = [] } = this.#progress;
    const now = new Date();
    const ended = before.filter(
      (wait) =>
        !waits.some((other) => isSameWait(other, wait)) &&
        now.getTime() - Date.parse(wait.since) >= 1000 * MIN_REMEMBERED_WAIT_SECONDS,
    );
    const until = now.toISOString();
    this.#endedWaits = [
      ...this.#endedWaits,
      ...ended.map(({ stage, iteration, reason, since }) => ({ stage, iteration, reason, since, until })),
    ].slice(-MAX_REMEMBERED_WAITS);
    this.update({ waits: waits.length === 0 ? undefined : waits });
  }

  /** Applies a training's report of a step. */
  recordTrainingStep({ iteration, step, totalSteps, loss, etaSeconds }: TrainingStep): void {
    const estimatedEndAt = new Date(Date.now() + 1000 * etaSeconds).toISOString();
    const stages = this.#progress.stages.map((shown) =>
      isSameStage(shown, { name: TRAINING_STAGE, iteration })
        ? { ...shown, done: step, total: totalSteps, unit: 'steps' as const, loss, estimatedEndAt }
        : shown,
    );
    this.update({ stages });
  }
}

/** A run is `paused` if it would be `running` without its pause. */
function withPauseStatus(progress: RunProgress): RunProgress {
  const { status, paused } = progress;
  if (status !== 'running' && status !== 'paused') return progress;
  return { ...progress, status: paused === undefined ? 'running' : 'paused' };
}

function isSameWait(
  a: Pick<Wait, 'workflowId' | 'activity'>,
  b: Pick<Wait, 'workflowId' | 'activity'>,
): boolean {
  return a.workflowId === b.workflowId && a.activity === b.activity;
}

function isSameStage(
  a: Pick<StageProgress, 'name' | 'iteration'>,
  b: Pick<StageProgress, 'name' | 'iteration'>,
): boolean {
  return a.name === b.name && a.iteration === b.iteration;
}

/** The counts of a stage's result; undefined for an evaluation, whose counts are by benchmark. */
function countsOf(result: unknown): Counts | undefined {
  const counts = (result as { counts?: Record<string, unknown> } | null | undefined)?.counts;
  if (counts === undefined || Object.values(counts).some((count) => typeof count !== 'number'))
    return undefined;
  return counts as Counts;
}
