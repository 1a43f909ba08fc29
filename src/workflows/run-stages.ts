import { CancellationScope, setCurrentDetails, startChild, workflowInfo } from '@temporalio/workflow';
import type { ArtifactReference } from '../artifacts/reference.ts';
import type {
  FineTuneResult,
  Model,
  ModelRole,
  RunPlan,
  ServedModel,
  ShardedStage,
  StageResult,
} from '../activities/types.ts';
import { ClaimedMachine } from './claimed-machine.ts';
import { evaluateJudge, type EvaluateJudgeResult } from './evaluate-judge.ts';
import { mapShards } from './map-shards.ts';
import type { PauseGate, PauseState } from './pause.ts';
import { light, TAKE_OVER } from './proxies.ts';
import type { ProgressTracker, StageProgress } from './run-progress.ts';

/** The models that a run names, identified by their content. */
export type RunModels = Readonly<Record<ModelRole, Model>>;

/** A benchmark's name and its prepared pairs. */
export interface PreparedBenchmark {
  readonly name: string;
  readonly pairs: ArtifactReference;
}

/** The stages of one run: how each is carried out, and shown in its progress while it is. */
export class RunStages {
  readonly #tracker: ProgressTracker;
  readonly #plan: RunPlan;
  readonly #gate: PauseGate;
  readonly #machine: ClaimedMachine;

  constructor(tracker: ProgressTracker, plan: RunPlan, gate: PauseGate, machineQueue: string | undefined) {
    this.#tracker = tracker;
    this.#plan = plan;
    this.#gate = gate;
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

  /** Shows a stage as under way for as long as `work` takes; while the run is paused, none begins. */
  async during<T>(stage: StageProgress, work: () => Promise<T>): Promise<T> {
    await this.#gate.opened();
    return this.#tracker.during(stage, () => {
      setCurrentDetails(this.#tracker.markdown());
      return work();
    });
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
      this.#tracker.update({ warnings: [...this.#tracker.current.warnings, ...named] });
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
    await this.#machine.useIfThere((machine) => machine.stopServing());
  }

  /** Fine-tunes M_0 to M_i on the iteration's training set. A pause stops it with a checkpoint, from which it goes on. */
  fineTune(iteration: number, base: Model, trainingSet: ArtifactReference): Promise<FineTuneResult> {
    const { run } = this.#plan;
    const summary = `fine-tune M_0 to M_${iteration}`;
    return this.during({ name: 'fineTune', iteration }, () =>
      this.#gate.untilDone(async () => {
        try {
          return await this.#machine.use((machine) =>
            machine.fineTune.executeWithOptions({ summary }, [{ run, iteration, base, trainingSet }]),
          );
        } catch (error) {
          if (CancellationScope.current().consideredCancelled) await this.#stopTraining(iteration);
          throw error;
        }
      }),
    );
  }

  /** The attempt that was interrupted has stopped its trainer, unless there was none just then to hear of it. */
  async #stopTraining(iteration: number): Promise<void> {
    const { run } = this.#plan;
    await CancellationScope.nonCancellable(() =>
      this.#machine.useIfThere((machine) => machine.stopTraining({ run, iteration })),
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
    return this.during({ name: stage, iteration, done: 0, of: input.records, workflowId }, () =>
      this.#gate.resultOf(() =>
        startChild(mapShards, {
          workflowId,
          workflowIdReusePolicy: TAKE_OVER,
          staticSummary: `${stage}, iteration ${iteration}`,
          args: [{ stage, work: { run, iteration, model, input }, shardsAtOnce, timeouts, runWorkflowId }],
        }),
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
    return this.during({ name: 'evaluateJudge', iteration, done: 0, of, workflowId }, () =>
      this.#gate.resultOf(() =>
        startChild(evaluateJudge, {
          workflowId,
          workflowIdReusePolicy: TAKE_OVER,
          staticSummary: `evaluate M_${iteration}`,
          args: [{ plan: this.#plan, iteration, judge, benchmarks, runWorkflowId }],
        }),
      ),
    );
  }
}
