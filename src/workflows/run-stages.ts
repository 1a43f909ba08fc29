import { FAILURES } from '../api/temporal-names.ts';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { PreparedBenchmark } from '../datasets/benchmark-overlaps.ts';
import type { ArtifactReference } from '../store/artifact.ts';
import type {
  FineTuneResult,
  Model,
  PinnedMachine,
  RunPlan,
  ServedModel,
  StageResult,
  TrainingCheckpoint,
} from '../api/activity-types.ts';
import type { SelectCheckpointInput } from '../activities/select-checkpoint.ts';
import type { IterationSummary } from '../api/result.ts';
import type { ShardedStage } from '../api/stages.ts';
import type { ModelRole } from '../config/model-roles.ts';
import { machineOf, PinnedWorker } from './pinned-worker.ts';
import type { EvaluateJudgeInput, EvaluateJudgeResult } from './evaluate-benchmarks.ts';
import { hasFailureType } from './failure-causes.ts';
import { mapShards } from './map-shards.ts';
import type { PauseGate } from './pause.ts';
import type { PauseState } from '../api/signals.ts';
import { workflowActivities, TERMINATE_EXISTING } from './activity-proxies.ts';
import type { ReportQueue } from './report-queue.ts';
import type { RunBudget } from './run-budget.ts';
import type { ProgressTracker, StageDescription } from './progress-tracker.ts';
import { ServedModels, type ServeOptions, type ServeRequest } from './served-models.ts';
import { searchAttributesOf } from './search-attributes.ts';
import { childIdOf, judgeName, shardsOf, type StageId } from './stage-ids.ts';
import { showCurrentDetails } from './show-current-details.ts';

/** The models of a run by their roles, identified by their content. */
export type RunModels = Readonly<Record<ModelRole, Model>>;

/** The workflow `evaluateJudge` as a run starts it; by name, because its standalone form imports these stages. */
type EvaluateJudgeWorkflow = (input: EvaluateJudgeInput) => Promise<EvaluateJudgeResult>;

/** Progress, pause, budget and reports of a run. */
export interface RunControls {
  readonly tracker: ProgressTracker;
  readonly gate: PauseGate;
  readonly budget: RunBudget;
  readonly reports: ReportQueue;
}

/** The stages of one run: each is carried out and shown in the run's progress. */
export class RunStages {
  readonly #tracker: ProgressTracker;
  readonly #plan: RunPlan;
  readonly #gate: PauseGate;
  readonly #budget: RunBudget;
  readonly #reports: ReportQueue;
  readonly #machine: PinnedWorker;
  readonly #models: ServedModels;
  /** The search attributes as they were last set; each change is an event of the history. */
  #publishedAttributes = '';

  constructor(
    { tracker, gate, budget, reports }: RunControls,
    plan: RunPlan,
    machine: PinnedMachine | undefined,
  ) {
    this.#tracker = tracker;
    this.#plan = plan;
    this.#gate = gate;
    this.#budget = budget;
    this.#reports = reports;
    this.#machine = new PinnedWorker(plan.timeouts, machine, (pinned) =>
      tracker.pinMachine(pinned === undefined ? undefined : machineOf(pinned.queue)),
    );
    this.#models = new ServedModels(
      (request) => this.#startServing(request),
      (queue) => this.#machine.giveUp(queue),
    );
  }

  /** The pause of the run, passed on when it continues as new. */
  get pause(): PauseState {
    return this.#gate.state;
  }

  /** The machine that serves and trains; undefined before one is needed. */
  get machine(): PinnedMachine | undefined {
    return this.#machine.machine;
  }

  /** Whether the servers must stop while the run trains. */
  get serversStopForTraining(): boolean {
    const { stopServersWhileTraining: stop, gpusWhileTraining: needed } = this.#plan;
    const { gpus = 0 } = this.#machine.machine ?? {};
    return stop === 'always' || (stop === 'ifTooFewGpus' && (needed === null || gpus < needed));
  }

  /** Resolves when all handlers of signals and updates have finished, and their reports are written. */
  async drained(): Promise<void> {
    await condition(() => allHandlersFinished() && !this.#reports.isWriting);
  }

  /** Shows a stage as running while `work` runs; waits first while the run is paused. */
  async trackStage<T>(stage: StageDescription, work: () => Promise<T>): Promise<T> {
    await this.#gate.whenOpen();
    return this.#tracker.trackStage(stage, () => {
      this.publishStatus();
      return work();
    });
  }

  /** Publishes the progress in the Web UI and in the search attributes. */
  publishStatus(): void {
    showCurrentDetails(this.#tracker);
    const { seedModel, searchAttributes } = this.#plan;
    const attributes = searchAttributesOf(this.#tracker.current, seedModel, searchAttributes);
    const published = JSON.stringify(attributes);
    if (attributes.length === 0 || published === this.#publishedAttributes) return;
    this.#publishedAttributes = published;
    upsertSearchAttributes(attributes);
  }

  resolveModels(): Promise<RunModels> {
    const { run, rolesWithOwnModel } = this.#plan;
    const resolve = (role: ModelRole) =>
      this.#machine.run((machine) =>
        machine.resolveModel.executeWithOptions({ summary: `resolve the ${role} model` }, [{ run, role }]),
      );
    return this.trackStage({ name: 'resolveModels', iteration: 0 }, async () => {
      const seed = await resolve('seed');
      const own = async (role: ModelRole) => (rolesWithOwnModel.includes(role) ? resolve(role) : seed);
      return { seed, generator: await own('generator'), firstJudge: await own('firstJudge') };
    });
  }

  prepareBenchmarks(): Promise<PreparedBenchmark[]> {
    const { run, benchmarks } = this.#plan;
    const prepare = async (name: string): Promise<PreparedBenchmark> => {
      const { artifact, warnings } = await workflowActivities.prepareBenchmark.executeWithOptions(
        { summary: `read ${name}` },
        [{ run, benchmark: name }],
      );
      const named = warnings.map((warning) => `${name}: ${warning}`);
      this.#tracker.addWarnings(named);
      return { name, pairs: artifact };
    };
    return this.trackStage({ name: 'prepareBenchmarks', iteration: 0 }, () =>
      Promise.all(benchmarks.map(({ name }) => prepare(name))),
    );
  }

  /** Serves a model; stages that want the same one at the same time share one start. */
  serveModel(
    model: Model,
    iteration: number,
    role: ModelRole,
    options: ServeOptions = {},
  ): Promise<ServedModel> {
    return this.#models.serve({ model, iteration, role, ...options });
  }

  /** A pause stops a server that still starts; the end of the pause starts it again. */
  #startServing(request: ServeRequest): Promise<ServedModel> {
    const { run } = this.#plan;
    const { iteration, role, step } = request;
    const summary = `serve ${role === 'seed' ? judgeName(iteration, step) : role}`;
    const serve = () =>
      this.#machine.run((machine) =>
        machine.serveModel.executeWithOptions({ summary }, [{ run, ...request }]),
      );
    return this.trackStage({ name: 'serveModel', iteration }, () => this.#gate.runInterruptibly(serve));
  }

  /** Serves the model of a role: its own, or the seed model, which roles without a model of their own share. */
  serveRole(models: RunModels, role: ModelRole, options: ServeOptions = {}): Promise<ServedModel> {
    const isOwn = this.#plan.rolesWithOwnModel.includes(role);
    return this.serveModel(models[role], 0, isOwn ? role : 'seed', options);
  }

  /** Stops the run's servers. Servers of a machine without a worker are stopped when it has one again. */
  async stopServing(): Promise<void> {
    this.#models.clear();
    await this.#machine.runIfAvailable((machine) =>
      machine.stopServing.executeWithOptions({ summary: 'stop the model servers' }, []),
    );
  }

  /**
   * Fine-tunes M_0 or an earlier judge to M_i on the iteration's training set. A pause or an exhausted budget stops the
   * training with a checkpoint, from which it later continues.
   */
  fineTune(
    iteration: number,
    from: Pick<IterationSummary, 'iteration' | 'model'>,
    trainingSet: ArtifactReference,
  ): Promise<FineTuneResult> {
    const { run } = this.#plan;
    const summary = `fine-tune M_${from.iteration} to M_${iteration}`;
    const { model: base } = from;
    const stage = { name: 'fineTune', iteration } as const;
    const train = () =>
      this.#machine.run((machine, queue) =>
        this.#useMachine(this.#plan.trainsElsewhere ? undefined : queue, stage, () =>
          machine.fineTune.executeWithOptions({ summary }, [{ run, iteration, base, trainingSet }]),
        ),
      );
    const runTraining = () =>
      this.#gate.runInterruptibly(async () => {
        try {
          return await train();
        } catch (error) {
          if (CancellationScope.current().consideredCancelled) await this.#stopTraining(iteration);
          throw error;
        }
      });
    return this.trackStage(stage, async () => {
      for (;;) {
        try {
          return await runTraining();
        } catch (error) {
          if (!hasFailureType(error, FAILURES.budgetExhausted)) throw error;
        }
        await this.#budget.handleExhausted();
      }
    });
  }

  /** Stops the trainer of an interrupted training, in case no attempt was running that could stop it. */
  async #stopTraining(iteration: number): Promise<void> {
    const options = { summary: `stop the training of M_${iteration} with a checkpoint` };
    const input = { run: this.#plan.run, iteration };
    await CancellationScope.nonCancellable(async () => {
      const isStopped = await this.#machine.runIfAvailable((machine) =>
        machine.stopTraining.executeWithOptions(options, [input]),
      );
      // The machine has no worker any more, but its trainer may still run: every worker that sees the store can stop it.
      if (!isStopped) await workflowActivities.stopTraining.executeWithOptions(options, [input]);
    });
  }

  /**
   * Runs a stage on every shard of its input, in a child workflow.
   * @param plans that its judgments follow
   */
  mapShards(
    stage: ShardedStage,
    iteration: number,
    model: ServedModel,
    input: ArtifactReference,
    plans?: ArtifactReference,
  ): Promise<StageResult> {
    const { run, concurrentShards, timeouts } = this.#plan;
    const { workflowId: runWorkflowId } = workflowInfo();
    const workflowId = childIdOf({ name: stage, iteration });
    return this.trackStage(
      { name: stage, iteration, done: 0, total: input.records, unit: 'shards', workflowId },
      () =>
        this.#whileServed(model, { name: stage, iteration }, (served) =>
          this.#gate.runChild(() =>
            startChild(mapShards, {
              workflowId,
              workflowIdReusePolicy: TERMINATE_EXISTING,
              staticSummary: `${stage}, iteration ${iteration}`,
              args: [
                {
                  stage,
                  shardInput: { run, iteration, model: served, input, ...(plans && { plans }) },
                  concurrentShards,
                  timeouts,
                  runWorkflowId,
                },
              ],
            }),
          ),
        ),
    );
  }

  /** Evaluates M_i on every benchmark, in a child workflow. */
  evaluateJudge(
    judge: ServedModel,
    iteration: number,
    benchmarks: readonly PreparedBenchmark[],
  ): Promise<EvaluateJudgeResult> {
    const stage = { name: 'evaluateJudge', iteration } as const;
    const workflowId = childIdOf(stage);
    const shown = { ...stage, done: 0, total: shardsOf(benchmarks), unit: 'shards', workflowId } as const;
    return this.trackStage(shown, () => this.evaluate(judge, stage, workflowId, benchmarks));
  }

  /**
   * Evaluates a model in a child workflow.
   * @param step of a checkpoint of the iteration's training
   */
  evaluate(
    judge: ServedModel,
    stage: StageId,
    workflowId: string,
    benchmarks: readonly PreparedBenchmark[],
    step?: number,
  ): Promise<EvaluateJudgeResult> {
    const { iteration } = stage;
    const more = { runWorkflowId: workflowInfo().workflowId, ...(step === undefined ? {} : { step }) };
    return this.#whileServed(judge, stage, (served) =>
      this.#gate.runChild(() =>
        startChild<EvaluateJudgeWorkflow>('evaluateJudge', {
          workflowId,
          workflowIdReusePolicy: TERMINATE_EXISTING,
          staticSummary: `evaluate ${judgeName(iteration, step)}`,
          args: [{ plan: this.#plan, iteration, judge: served, benchmarks, ...more }],
        }),
      ),
    );
  }

  /** Makes the best of the checkpoints of a training the judge of the iteration. */
  async chooseCheckpoint(input: Omit<SelectCheckpointInput, 'run'>): Promise<TrainingCheckpoint> {
    const summary = `choose the checkpoint of M_${input.iteration}`;
    await this.#gate.whenOpen();
    return this.#machine.run((machine) =>
      machine.selectCheckpoint.executeWithOptions({ summary }, [{ run: this.#plan.run, ...input }]),
    );
  }

  /** Writes a report after those that are due. */
  writeReport<T>(write: () => Promise<T>): Promise<T> {
    return this.#reports.run(write);
  }

  /** Exports the training sets and the checkpoint that other programs load (docs/outputs.md). */
  exportOutputs(iteration: number): Promise<void> {
    const { run } = this.#plan;
    const { completedIterations: iterations, best, warnings } = this.#tracker.current;
    return this.trackStage({ name: 'exportOutputs', iteration }, () =>
      workflowActivities.exportOutputs.executeWithOptions(
        { summary: `export the outputs of iteration ${iteration}` },
        [{ run, iterations, best, warnings }],
      ),
    );
  }

  #whileServed<T>(model: ServedModel, stage: StageId, work: (served: ServedModel) => Promise<T>): Promise<T> {
    return this.#models.whileServed(model, (served) =>
      this.#useMachine(served.servedFor?.machineQueue, stage, () => work(served)),
    );
  }

  /** Counts the machine with this task queue as busy while a stage works there; undefined: the work is elsewhere. */
  #useMachine<T>(queue: string | undefined, stage: StageId, work: () => Promise<T>): Promise<T> {
    return queue === undefined ? work() : this.#tracker.useMachine(machineOf(queue), stage, work);
  }
}
