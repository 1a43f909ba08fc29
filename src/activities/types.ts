/**
 * What passes between workflows and activities: small, serialisable, part of every run's history. Workflows import
 * nothing else from here than types.
 */
import type { ArtifactReference, Counts } from '../artifacts/reference.ts';
import type { Problem } from '../config/read-configuration.ts';

/** A run and its resolved configuration: what every activity of a run begins from. */
export interface RunReference {
  readonly runName: string;
  readonly configuration: ArtifactReference;
}

/** A checkpoint and the hash of its content. `store:` begins a checkpoint that a run of this store has trained. */
export interface Model {
  readonly checkpoint: string;
  readonly sha256: string;
}

/** A model that answers at an endpoint. */
export interface ServedModel extends Model {
  readonly baseUrl: string;
  /** The model's name at the endpoint. */
  readonly servedName: string;
  readonly apiKeyVariable?: string;
  /** Set where a command of ours serves it: what isn't there now, while the server is started again, will be. */
  readonly serving?: 'command';
}

/** The models that a run names itself; the later ones are trained. */
export const MODEL_ROLES = ['seed', 'generator', 'firstJudge'] as const;
export type ModelRole = (typeof MODEL_ROLES)[number];

/** What the workflow needs to know of the configuration; the rest stays in the store. */
export interface RunPlan {
  readonly run: RunReference;
  readonly iterations: number;
  /** Whether an LLM puts the instructions into categories. */
  readonly categorize: boolean;
  readonly benchmarks: readonly BenchmarkPlan[];
  readonly shardsAtOnce: number;
  readonly patience: number | null;
  readonly stopServersWhileTraining: boolean;
  /** The roles that have a model of their own; the others use the seed model. */
  readonly ownModels: readonly ModelRole[];
  readonly timeouts: {
    readonly heartbeatSeconds: number;
    readonly workerSeconds: number;
    readonly fineTuneHours: number;
  };
}

export interface BenchmarkPlan {
  readonly name: string;
  readonly purpose: 'validation' | 'test';
}

/** What planRun finds: a plan, a run of the same name and meaning to wait for, or everything that is wrong. */
export type PlanResult =
  | { readonly kind: 'planned'; readonly plan: RunPlan; readonly warnings: readonly string[] }
  | { readonly kind: 'joined'; readonly ownerWorkflowId: string; readonly ownerRunId: string }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/** The artifact that a stage makes, and what was counted on the way. */
export interface StageResult {
  /** An index of shards, or a single artifact. */
  readonly artifact: ArtifactReference;
  readonly counts: Counts;
  readonly seconds: number;
}

/** Stages that are mapped over shards, each by the activity of its name. */
export const SHARDED_STAGES = [
  'categorizeInstructions',
  'generatePairs',
  'judgePairs',
  'evaluateBenchmark',
] as const;
export type ShardedStage = (typeof SHARDED_STAGES)[number];

/** What an activity that works on one shard is told. */
export interface ShardInput {
  readonly run: RunReference;
  readonly iteration: number;
  readonly model: ServedModel;
  /** The index of the artifact that is worked on, shard by shard. */
  readonly input: ArtifactReference;
  readonly shard: number;
  /** For evaluateBenchmark. */
  readonly benchmark?: string;
}

/** What a shard's activity returns. The artifact's place follows from stage and shard, so that no list of them grows in a history. */
export interface ShardResult {
  readonly counts: Counts;
}

/** Where and how far training came. */
export interface FineTuneResult {
  readonly model: Model;
  readonly counts: Counts;
  readonly meanLoss: number;
  readonly seconds: number;
}

/** The figures of a model on one benchmark that the loop chooses by and shows. Shares are between 0 and 1. */
export interface EvaluationSummary {
  readonly benchmark: string;
  readonly purpose: 'validation' | 'test';
  /** Mean of both orders; a judgment without a verdict is wrong. */
  readonly accuracy: number;
  /** Right in both orders. */
  readonly positionConsistentAccuracy: number;
  /** Among judgments with a verdict; null where none has one. */
  readonly shareOfA: number | null;
  readonly unparsable: number;
  readonly pairs: number;
  readonly scores: ArtifactReference;
}

/** One row of the run's table: a judge and how it came about. Iteration 0 is the seed model. */
export interface IterationSummary {
  readonly iteration: number;
  readonly model: Model;
  readonly evaluations: readonly EvaluationSummary[];
  /** Undefined for the seed model. */
  readonly trainingExamples?: number;
  readonly training?: { readonly meanLoss: number; readonly seconds: number };
  /** From instructions to training examples, and tokens spent, by stage. */
  readonly counts: Readonly<Record<string, Counts>>;
  /** Of each stage, as the clock went. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** `result.json`: what a run comes to. */
export interface RunResult {
  readonly runName: string;
  readonly iterations: readonly IterationSummary[];
  /** The iteration with the best validation accuracy. */
  readonly best: number;
  /** Where the report is, relative to the store. */
  readonly report: string;
  readonly stoppedEarly: boolean;
  readonly warnings: readonly string[];
}
