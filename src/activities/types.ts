/**
 * What passes between workflows and activities: small, serialisable, part of every run's history. Workflows import
 * nothing else from here than types.
 */
import type { ArtifactReference, Counts } from '../artifacts/reference.ts';
import type { Problem } from '../config/read-configuration.ts';
import type { Amounts } from '../format/amounts.ts';
import type { ChoosingPlan } from '../workflows/choosing.ts';

export type { JudgingResult } from '../contract/judging-result.ts';
import type { BudgetNow } from './budget.ts';

export type {
  EvaluationSummary,
  IterationSummary,
  JudgeEvaluationResult,
  Published,
  PushedRepository,
  RunResult,
} from '../contract/result.ts';

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

/** A model that answers at an endpoint, or at several under the same name. */
export interface ServedModel extends Model {
  readonly baseUrl: string | readonly string[];
  /** The model's name at the endpoint. */
  readonly servedName: string;
  /** The variable of the key for all, or one for each. */
  readonly apiKeyVariable?: string | readonly string[];
  /** Set where a machine of the role `gpu` serves it: what to ask for when its server is gone. */
  readonly servedFor?: { readonly iteration: number; readonly role: ModelRole };
  /** Set where its weights were freed: why it can't be asked. What it was asked before stands in the store. */
  readonly freed?: string;
}

/** The models that a run names itself; the later ones are trained. */
export const MODEL_ROLES = ['seed', 'generator', 'firstJudge'] as const;
export type ModelRole = (typeof MODEL_ROLES)[number];

/** What the workflow needs to know of the configuration; the rest stays in the store. */
export interface RunPlan {
  readonly run: RunReference;
  readonly iterations: number;
  /** Where the fine-tuning of each iteration starts, the first one's first, and the last one's ever after. */
  readonly startFrom: readonly ('seed' | 'previous')[];
  /** Whether files hold the pairs, so that none are made. */
  readonly givenPairs: boolean;
  /** Whether an LLM puts the instructions into categories, or says how complex they are. */
  readonly categorize: boolean;
  /** Whether human-labelled pairs are judged beside the generated ones. */
  readonly addHumanPairs: boolean;
  readonly benchmarks: readonly BenchmarkPlan[];
  readonly shardsAtOnce: number;
  readonly choosing: ChoosingPlan;
  readonly stopServersWhileTraining: boolean;
  /** The roles that have a model of their own; the others use the seed model. */
  readonly ownModels: readonly ModelRole[];
  /** What the run is found by: those of ours that the namespace has. */
  readonly searchAttributes: readonly string[];
  readonly seedModel: string;
  /** Set where the outputs are pushed to the hub at the end. */
  readonly publish?: { readonly tryForHours: number };
  /** Set where it has a budget. */
  readonly budget?: BudgetNow;
  /** Prices that a budget in USD would need, by their paths in the configuration. */
  readonly missingPrices?: readonly string[];
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
  | {
      readonly kind: 'planned';
      readonly plan: RunPlan;
      /** With every default filled in. */
      readonly configuration: unknown;
      /** Where the report is going to be, as a file:// address. */
      readonly reportAddress: string;
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'joined'; readonly ownerWorkflowId: string; readonly ownerRunId: string }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/** The same for an evaluation without training. */
export type JudgeEvaluationPlan =
  | (Extract<PlanResult, { kind: 'planned' }> & {
      /** The judge, where somebody else serves it. */
      readonly judge?: ServedModel;
    })
  | Exclude<PlanResult, { kind: 'planned' }>;

/** The same for the judging of a file, which has no report. */
export type PairsJudgingPlan =
  | Omit<Extract<JudgeEvaluationPlan, { kind: 'planned' }>, 'reportAddress'>
  | Exclude<JudgeEvaluationPlan, { kind: 'planned' }>;

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
  'compareResponses',
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
  /** The run to tell when the shard waits. */
  readonly runWorkflowId?: string;
}

/** What an activity tells its run: why a stage waits, or without `waits` that it goes on. */
export interface StageWaiting {
  readonly stage: ShardedStage | 'serveModel';
  readonly iteration: number;
  readonly benchmark?: string;
  readonly shard: number;
  readonly waits?: string;
}

/** What a shard's activity returns. The artifact's place follows from stage and shard, so that no list of them grows in a history. */
export interface ShardResult {
  readonly counts: Counts;
  /** By the run in all, where it has a budget. */
  readonly spent?: Amounts;
}

/** Where and how far training came. */
export interface FineTuneResult {
  readonly model: Model;
  readonly counts: Counts;
  readonly meanLoss: number;
  readonly seconds: number;
  /** What a reader of the judge's figures should know of it. */
  readonly warnings?: readonly string[];
  /** By the run in all, where it has a budget. */
  readonly spent?: Amounts;
}

/** What a training tells its run, a bounded number of times. */
export interface TrainingStep {
  readonly iteration: number;
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number;
  /** Until the last step, at the trainer's pace. */
  readonly etaSeconds: number;
}

/** What a training tells its run beside its steps. */
export interface TrainingNotice {
  readonly iteration: number;
  /** How often it made no progress, was stopped and went on. */
  readonly stalls: number;
  readonly warnings: readonly string[];
}
