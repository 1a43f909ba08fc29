import {
  allHandlersFinished,
  CancellationScope,
  condition,
  sleep,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArtifactReference } from '../artifacts/reference.ts';
import type {
  FineTuneResult,
  IterationSummary,
  Model,
  ModelRole,
  RunPlan,
  ServedModel,
  ShardedStage,
  StageResult,
} from '../activities/types.ts';
import { ClaimedMachine } from './claimed-machine.ts';
import type { EvaluateJudgeInput, EvaluateJudgeResult } from './evaluate-benchmarks.ts';
import { failedWith } from './failed-with.ts';
import { mapShards } from './map-shards.ts';
import type { PauseGate, PauseState } from './pause.ts';
import { light, TAKE_OVER } from './proxies.ts';
import type { RunBudget } from './run-budget.ts';
import type { ProgressTracker, Stage } from './run-progress.ts';
import { searchAttributesOf } from './search-attributes.ts';
import { showDetails } from './show-details.ts';

/** The models that a run names, identified by their content. */
export type RunModels = Readonly<Record<ModelRole, Model>>;

/** A benchmark's name and its prepared pairs. */
export interface PreparedBenchmark {
  readonly name: string;
  readonly pairs: ArtifactReference;
}

/** The workflow `evaluateJudge` as a run starts it; by name, because started alone it uses these stages itself. */
type EvaluateAsChild = (input: EvaluateJudgeInput) => Promise<EvaluateJudgeResult>;

/** What a run is shown and held by. */
export interface Steered {
  readonly tracker: ProgressTracker;
  readonly gate: PauseGate;
  readonly budget: RunBudget;
}

/** The stages of one run: how each is carried out, and shown in its progress while it is. */
export class RunStages {
  readonly #tracker: ProgressTracker;
  readonly #plan: RunPlan;
  readonly #gate: PauseGate;
  readonly #budget: RunBudget;
  readonly #machine: ClaimedMachine;
  /** The search attributes as they were last set: each change is an event of the history. */
  #found = '';

  constructor({ tracker, gate, budget }: Steered, plan: RunPlan, machineQueue: string | undefined) {
    this.#tracker = tracker;
    this.#plan = plan;
    this.#gate = gate;
    this.#budget = budget;
    this.#machine = new ClaimedMachine(plan.timeouts, machineQueue);
  }

  /** Whether the run is paused, to be carried along. */
  get pause(): PauseState {
    return this.#gate.state;
  }

  /** The queue of the machine that serves and trains; undefined before one is needed. */
  get machineQueue(): string | undefined {
    return this.#machine.queue;
  }

  /** Resolves when nothing that the run was told is under way any more, and all that it had to report of it is written. */
  async settled(): Promise<void> {
    await condition(() => allHandlersFinished() && !this.#budget.isReporting);
  }

  /** Shows a stage as under way for as long as `work` takes; while the run is paused, none begins. */
  async during<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    await this.#gate.opened();
    return this.#tracker.during(stage, () => {
      this.show();
      return work();
    });
  }

  /** Shows where the run is, in the Web UI and to those who search for runs. */
  show(): void {
    showDetails(this.#tracker);
    const { seedModel, searchAttributes } = this.#plan;
    const attributes = searchAttributesOf(this.#tracker.current, seedModel, searchAttributes);
    const found = JSON.stringify(attributes);
    if (attributes.length === 0 || found === this.#found) return;
    this.#found = found;
    upsertSearchAttributes(attributes);
  }

  identifyModels(): Promise<RunModels> {
    const { run, ownModels } = this.#plan;
    const identify = (role: ModelRole) =>
      this.#machine.use((machine) =>
        machine.identifyModel.executeWithOptions({ summary: `identify the ${role} model` }, [{ run, role }]),
      );
    return this.during({ name: 'identifyModels', iteration: 0 }, async () => {
      const seed = await identify('seed');
      const own = async (role: ModelRole) => (ownModels.includes(role) ? identify(role) : seed);
      return { seed, generator: await own('generator'), firstJudge: await own('firstJudge') };
    });
  }

  prepareBenchmarks(): Promise<PreparedBenchmark[]> {
    const { run, benchmarks } = this.#plan;
    const prepare = async (name: string): Promise<PreparedBenchmark> => {
      const { artifact, warnings } = await light.prepareBenchmark.executeWithOptions(
        { summary: `read ${name}` },
        [{ run, benchmark: name }],
      );
      const named = warnings.map((warning) => `${name}: ${warning}`);
      this.#tracker.warn(named);
      return { name, pairs: artifact };
    };
    return this.during({ name: 'prepareBenchmarks', iteration: 0 }, () =>
      Promise.all(benchmarks.map(({ name }) => prepare(name))),
    );
  }

  serve(model: Model, iteration: number, role: ModelRole): Promise<ServedModel> {
    const { run } = this.#plan;
    const summary = `serve ${role === 'seed' ? `M_${iteration}` : role}`;
    return this.during({ name: 'serveModel', iteration }, () =>
      this.#machine.use((machine) =>
        machine.serveModel.executeWithOptions({ summary }, [{ run, model, iteration, role }]),
      ),
    );
  }

  /** Stops the run's servers. Those of a machine that has no worker now are stopped when it has one again. */
  async stopServing(): Promise<void> {
    await this.#machine.useIfThere((machine) =>
      machine.stopServing.executeWithOptions({ summary: 'stop the model servers' }, []),
    );
  }

  /**
   * Fine-tunes M_0 or an earlier judge to M_i on the iteration's training set. A pause stops it with a checkpoint, from
   * which it goes on, and so does a budget that is spent.
   */
  fineTune(
    iteration: number,
    from: Pick<IterationSummary, 'iteration' | 'model'>,
    trainingSet: ArtifactReference,
  ): Promise<FineTuneResult> {
    const { run } = this.#plan;
    const summary = `fine-tune M_${from.iteration} to M_${iteration}`;
    const { model: base } = from;
    const train = () =>
      this.#gate.untilDone(async () => {
        try {
          return await this.#machine.use((machine) =>
            machine.fineTune.executeWithOptions({ summary }, [{ run, iteration, base, trainingSet }]),
          );
        } catch (error) {
          if (CancellationScope.current().consideredCancelled) await this.#stopTraining(iteration);
          throw error;
        }
      });
    return this.during({ name: 'fineTune', iteration }, async () => {
      for (;;) {
        try {
          return await train();
        } catch (error) {
          if (!failedWith(error, 'BudgetReached')) throw error;
        }
        await this.#budget.reached();
      }
    });
  }

  /** The attempt that was interrupted has stopped its trainer, unless there was none just then to hear of it. */
  async #stopTraining(iteration: number): Promise<void> {
    const { run } = this.#plan;
    await CancellationScope.nonCancellable(() =>
      this.#machine.useIfThere((machine) =>
        machine.stopTraining.executeWithOptions(
          { summary: `stop the training of M_${iteration} with a checkpoint` },
          [{ run, iteration }],
        ),
      ),
    );
  }

  /** Maps a stage over the shards of its input, in a workflow of its own. */
  mapShards(
    stage: ShardedStage,
    iteration: number,
    model: ServedModel,
    input: ArtifactReference,
  ): Promise<StageResult> {
    const { run, shardsAtOnce, timeouts } = this.#plan;
    const { workflowId: runWorkflowId } = workflowInfo();
    const workflowId = `${runWorkflowId}/${iteration}/${stage}`;
    return this.during(
      { name: stage, iteration, done: 0, of: input.records, unit: 'shards', workflowId },
      () =>
        this.#whileServed(model, (served) =>
          this.#gate.resultOf(() =>
            startChild(mapShards, {
              workflowId,
              workflowIdReusePolicy: TAKE_OVER,
              staticSummary: `${stage}, iteration ${iteration}`,
              args: [
                {
                  stage,
                  work: { run, iteration, model: served, input },
                  shardsAtOnce,
                  timeouts,
                  runWorkflowId,
                },
              ],
            }),
          ),
        ),
    );
  }

  /** Evaluates M_i on every benchmark, in a workflow of its own. */
  evaluate(
    judge: ServedModel,
    iteration: number,
    benchmarks: readonly PreparedBenchmark[],
  ): Promise<EvaluateJudgeResult> {
    const { workflowId: runWorkflowId } = workflowInfo();
    const workflowId = `${runWorkflowId}/${iteration}/evaluateJudge`;
    const of = benchmarks.reduce((sum, { pairs }) => sum + pairs.records, 0);
    return this.during({ name: 'evaluateJudge', iteration, done: 0, of, unit: 'shards', workflowId }, () =>
      this.#whileServed(judge, (served) =>
        this.#gate.resultOf(() =>
          startChild<EvaluateAsChild>('evaluateJudge', {
            workflowId,
            workflowIdReusePolicy: TAKE_OVER,
            staticSummary: `evaluate M_${iteration}`,
            args: [{ plan: this.#plan, iteration, judge: served, benchmarks, runWorkflowId }],
          }),
        ),
      ),
    );
  }

  /** Makes of what is complete the training sets and the checkpoint that other programs load (docs/outputs.md). */
  exportOutputs(iteration: number): Promise<void> {
    const { run } = this.#plan;
    const { completed: iterations, best, warnings } = this.#tracker.current;
    return this.during({ name: 'exportOutputs', iteration }, () =>
      light.exportOutputs.executeWithOptions({ summary: `export the outputs of iteration ${iteration}` }, [
        { run, iterations, best, warnings },
      ]),
    );
  }

  /**
   * Does work that needs a served model. A server of ours may go for good, with its machine or with the worker that
   * took it along: then the model is served again, perhaps elsewhere, and the work goes on with what is missing.
   */
  async #whileServed<T>(model: ServedModel, work: (served: ServedModel) => Promise<T>): Promise<T> {
    const { checkpoint, sha256, servedFor } = model;
    for (let served = model, again = 0; ; again += 1) {
      try {
        return await work(served);
      } catch (error) {
        if (servedFor === undefined || !failedWith(error, 'ServerUnavailable')) throw error;
        // The first time at once; a server that stays unusable though it is up is not asked without end.
        if (again > 0) await sleep(Math.min(60, 2 ** again) * 1000);
        served = await this.serve({ checkpoint, sha256 }, servedFor.iteration, servedFor.role);
      }
    }
  }
}
