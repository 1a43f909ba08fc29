/** The inputs and results of activities: small and serializable, because the history of every run holds them. */
import type { ArtifactReference, Counts } from '../store/artifact.ts';
import type { Problem } from '../platform/problem.ts';
import type { BudgetStatus, Usage } from './budget.ts';
import type { Wait } from './progress.ts';
import type { EvaluationSummary } from './result.ts';
import type { ModelRole } from '../config/model-roles.ts';
import type { ReusedJudgments } from '../method/judged-iterations.ts';
import type { ModelSelection } from '../method/model-selection.ts';

/** A run and its resolved configuration, the first input of every activity of a run. */
export interface RunReference {
  readonly runName: string;
  readonly configuration: ArtifactReference;
}

/** A checkpoint and the hash of its content. The prefix `store:` marks a checkpoint that a run of this store has trained. */
export interface Model {
  readonly checkpoint: string;
  readonly sha256: string;
}

/** A model that answers at an endpoint, or at several under the same name. */
export interface ServedModel extends Model {
  readonly baseUrl: string | readonly string[];
  /** The model's name at the endpoint. */
  readonly servedModelName: string;
  /** The environment variable of the API key: one for all endpoints, or one for each. */
  readonly apiKeyEnv?: string | readonly string[];
  readonly apiKeyHeader?: string;
  /** Set if a worker with the role `gpu` serves it. */
  readonly servedFor?: ServedFor;
  /** Set if its weights were pruned: why it cannot take requests. Its earlier answers are in the store. */
  readonly prunedReason?: string;
}

/** The iteration and role for which a machine serves a model, and the task queues of that machine. */
export interface ServedFor {
  /** Identifies the model that is served again when its server is gone. */
  readonly iteration: number;
  readonly role: ModelRole;
  /** The queue of the machine's workers with the role `gpu`. */
  readonly machineQueue: string;
  /** The queue of the workers with the role `inference` that reach the server. */
  readonly inferenceQueue: string;
}

/** The machine that a run is pinned to. */
export interface PinnedMachine {
  /** The task queue that only the workers of this machine listen to. */
  readonly queue: string;
  /** The number of GPUs that its programs see. */
  readonly gpus: number;
}

/** The part of the configuration that the workflow needs; the rest stays in the store. */
export interface RunPlan {
  readonly run: RunReference;
  readonly iterations: number;
  /** The model that the fine-tuning of each iteration starts from; the last entry also holds for all later iterations. */
  readonly initFrom: readonly ('seed' | 'previous')[];
  /** Which iterations train on the judgments of the one before, in the same way; missing if none does. */
  readonly reusedJudgments?: ReusedJudgments;
  /** Set if judgments follow plans. */
  readonly plansJudgments?: true;
  /** True if the pairs are read from files instead of generated. */
  readonly usesProvidedPairs: boolean;
  /** True if a model assigns categories or a complexity to the instructions. */
  readonly categorizesInstructions: boolean;
  /** True if human-labelled pairs are added to the generated ones. */
  readonly addsHumanPairs: boolean;
  /** Set if records of tasks beyond pairs are judged and learned, too. */
  readonly trainsTasks?: true;
  readonly benchmarks: readonly BenchmarkPlan[];
  readonly concurrentShards: number;
  readonly modelSelection: ModelSelection;
  /** Whether the servers stop while the run trains. */
  readonly stopServersWhileTraining: 'always' | 'never' | 'ifTooFewGpus';
  /** The GPUs of the machine that must be there for the judge's servers and the training at once; null: there are never enough. */
  readonly gpusWhileTraining: number | null;
  /** True if the trainer uses no GPUs of the machine that the run is pinned to. */
  readonly trainsElsewhere: boolean;
  /** The roles that have a model of their own; the others use the seed model. */
  readonly rolesWithOwnModel: readonly ModelRole[];
  /** The roles whose model a worker's machine serves. */
  readonly rolesOnMachine: readonly ModelRole[];
  /** True if a judge may be evaluated beside the next stages; false if requests that may be for nothing would cost money. */
  readonly overlaps: boolean;
  /** The search attributes of this project that the namespace has. */
  readonly searchAttributes: readonly string[];
  readonly seedModel: string;
  /** Set if the outputs are pushed to the hub at the end. */
  readonly publish?: { readonly retryHours: number };
  /** The address that finished work is copied to at the end, if any. */
  readonly publishTo?: string;
  /** Set if the run has a budget. */
  readonly budget?: BudgetStatus;
  /** Paths of the prices that the configuration lacks for a budget in USD. */
  readonly missingPrices?: readonly string[];
  readonly timeouts: {
    readonly heartbeatSeconds: number;
    readonly workerWaitSeconds: number;
    readonly fineTuneHours: number;
  };
}

export interface BenchmarkPlan {
  readonly name: string;
  readonly purpose: 'validation' | 'test';
}

/** The result of planRun: a plan, a running run with the same configuration to wait for, or all problems. */
export type PlanResult =
  | {
      readonly kind: 'planned';
      readonly plan: RunPlan;
      /** With every default filled in. */
      readonly configuration: unknown;
      /** The file:// address of the report. */
      readonly reportUrl: string;
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'joined'; readonly ownerWorkflowId: string; readonly ownerRunId: string }
  | { readonly kind: 'rejected'; readonly problems: readonly Problem[] };

/** The same for an evaluation without training. */
export type JudgeEvaluationPlan =
  | (Extract<PlanResult, { kind: 'planned' }> & {
      /** The judge, if it is served at an external endpoint. */
      readonly judge?: ServedModel;
    })
  | Exclude<PlanResult, { kind: 'planned' }>;

/** The same for the judging of a file of pairs, which has no report. */
export type PairsJudgingPlan =
  | Omit<Extract<JudgeEvaluationPlan, { kind: 'planned' }>, 'reportUrl'>
  | Exclude<JudgeEvaluationPlan, { kind: 'planned' }>;

/** The artifact that a stage makes, and what was counted on the way. */
export interface StageResult {
  /** An index of shards, or a single artifact. */
  readonly artifact: ArtifactReference;
  readonly counts: Counts;
  readonly seconds: number;
}

/** The input of an activity that processes one shard. */
export interface ShardInput {
  readonly run: RunReference;
  readonly iteration: number;
  readonly model: ServedModel;
  /** The index of the artifact that is processed shard by shard. */
  readonly input: ArtifactReference;
  readonly shard: number;
  /** Set for judgePairs if judgments follow plans: the index of the plans for the same shards. */
  readonly plans?: ArtifactReference;
  /** Set for evaluateBenchmark. */
  readonly benchmark?: string;
  /** Set if the model is a checkpoint of the iteration's training, among which validation chooses: its step. */
  readonly step?: number;
}

/** A wait of a run in its report. */
export interface ReportedWait extends Pick<Wait, 'stage' | 'iteration' | 'reason' | 'since'> {
  /** ISO 8601; undefined while it lasts. */
  readonly until?: string;
}

/** The details of an activity's heartbeats beside its progress. Workers report waits from there to the run. */
export interface ActivityHeartbeat {
  /** The reason for the wait, and what to do. */
  readonly wait?: {
    readonly reason: string;
    /** ISO 8601. */
    readonly since: string;
  };
  /** How often in a row a model server has failed to start. */
  readonly failedStarts?: number;
}

/** The result of a shard's activity. The artifact's location follows from stage and shard, so that histories hold no list of them. */
export interface ShardResult {
  readonly counts: Counts;
  /** The usage of the whole run, if it has a budget. */
  readonly usage?: Usage;
  /** Sentences about what the endpoints of the model do differently from what was asked. */
  readonly warnings?: readonly string[];
}

/** A model that a training has saved at one of its steps. */
export interface TrainingCheckpoint {
  readonly step: number;
  readonly model: Model;
}

/** A checkpoint with its figures on the benchmarks that choose. */
export interface ValidatedCheckpoint extends TrainingCheckpoint {
  readonly evaluations: readonly EvaluationSummary[];
}

/** The result of a training. */
export interface FineTuneResult {
  /** The model of the last step. */
  readonly model: Model;
  /** Set if validation chooses the judge: the saved models in the order of their steps, that of the last step included. */
  readonly checkpoints?: readonly TrainingCheckpoint[];
  readonly counts: Counts;
  readonly meanLoss: number;
  readonly seconds: number;
  /** Warnings for readers of the judge's figures. */
  readonly warnings?: readonly string[];
  /** The usage of the whole run, if it has a budget. */
  readonly usage?: Usage;
}
