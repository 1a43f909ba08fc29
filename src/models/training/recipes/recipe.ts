/**
 * The interface of training methods: everything that a method adds to the loop. Each method has a file and a
 * line in registry.ts; nothing else in src compares methods.
 */
import type { z } from 'zod';
import type { Counts, Fingerprint } from '../../../store/artifact.ts';
import type { NumberedJudgment } from '../../../method/correctness.ts';
import type { PlannedSampling } from '../../../method/plans.ts';
import type { CountedJudgment, JudgmentPlan } from '../../../method/rejection-sampling.ts';
import type { ResponsePair } from '../../../method/examples.ts';
import type { ChatMessage, PromptTemplate } from '../../../method/prompt-template.ts';
import type { SamplingStrategy } from '../../../method/sampling-batches.ts';
import type { JudgedTaskExample } from '../../../method/select-task-judgments.ts';
import type { TaskName, TaskPrompts } from '../../../method/tasks.ts';
import type { JudgedExample, JudgmentSelectionRules } from '../../../method/select-judgments.ts';
import type { Problem } from '../../../platform/problem.ts';
import type {
  Hyperparameters,
  initFromSchema,
  judgmentsSchema,
  selectCheckpointSchema,
} from './hyperparameters.ts';

/** The fields that every recipe's round has. */
export interface RoundShape {
  readonly [field: string]: z.ZodType;
  readonly method: z.ZodLiteral<string>;
  readonly initFrom: z.ZodDefault<typeof initFromSchema>;
  readonly judgments: typeof judgmentsSchema;
  readonly selectCheckpoint: typeof selectCheckpointSchema;
  readonly hyperparameters: z.ZodType<Hyperparameters>;
}

/** A training method. */
export interface TrainingRecipe<
  Schema extends z.ZodObject<RoundShape> = z.ZodObject<RoundShape>,
  HyperparametersSchema extends z.ZodObject = z.ZodObject,
> {
  /**
   * A round of `fineTuning.rounds` with its defaults. The literal `method` names the recipe, in the trainer
   * too.
   */
  readonly configuration: Schema;
  /** The hyperparameters of a round: fields of the trainer's job. */
  readonly hyperparameters: HyperparametersSchema;
  /** The memory of a training in addition to the trained weights. */
  readonly memory: {
    /** Number of conversations that the model processes for one example of a batch. */
    readonly conversationsPerExample: number;
    /** Whether all weights are loaded a second time as a frozen reference, if no adapter is trained. */
    hasReferenceModel(hyperparameters: Hyperparameters & { readonly beta?: number }): boolean;
  };
  /** The judgments that the training samples itself. Its batches consist of them. */
  sampling?(round: z.output<Schema>): TrainingSampling;
  /** The share of the training examples that teach a verdict without reasoning; 0 if there are none. */
  verdictsAlone?(round: z.output<Schema>): number;
  /** Set if it learns records of tasks beyond pairs, too. */
  readonly learnsTasks?: true;
  readonly rows: TrainingRows;
  /**
   * Reports settings that contradict the recipe's rounds. A section is missing if it is invalid.
   * @param isAlone whether all rounds have this recipe, so that settings which it does not use have no effect
   */
  problems(
    sections: Partial<RecipeSections>,
    rounds: readonly z.output<Schema>[],
    isAlone: boolean,
  ): Problem[];
  /** Everything that determines the training set, except the seed, the judgments and the training prompt. */
  fingerprintInputs(sections: RecipeSections, round: z.output<Schema>): Fingerprint;
  /**
   * Makes the training set of an iteration from its judgments.
   * @throws InvalidInput if fewer than `filtering.minExamples` remain
   */
  makeTrainingSet(input: TrainingSetInput<z.output<Schema>>): Promise<TrainingSet>;
  /** The average number of training examples for each judged example (a pair in one order). */
  expectedExamples(sections: RecipeSections, round: z.output<Schema>, correctShare: number): number;
}

/** How a training samples judgments. */
export interface TrainingSampling {
  /** The number of judgments of each example. */
  readonly perExample: number;
  /** The most tokens of a judgment. */
  readonly maxTokens: number;
  /** The share of each GPU's memory that vLLM takes beside the training; undefined if the training's own model samples. */
  readonly vllmMemory: number | undefined;
  /** The GPUs over which vLLM divides the model. */
  readonly vllmTensorParallel?: number;
}

/** Declares a recipe; the type of its rounds follows from `configuration`. */
export function defineRecipe<
  Schema extends z.ZodObject<RoundShape>,
  HyperparametersSchema extends z.ZodObject,
>(recipe: TrainingRecipe<Schema, HyperparametersSchema>): TrainingRecipe<Schema, HyperparametersSchema> {
  return recipe;
}

/** The sections of a run's configuration that recipes read. */
export interface RecipeSections {
  readonly judging: PlannedSampling & { readonly strategy: SamplingStrategy };
  readonly filtering: Omit<JudgmentSelectionRules, 'strategy'> & {
    readonly balance: boolean;
    readonly humanData: readonly { readonly name: string; readonly weight: number }[];
    readonly generatedWeight: number;
    readonly minExamples: number;
  };
}

/** A sampled judgment as a run stores it. */
type StoredJudgment = NumberedJudgment &
  CountedJudgment & { readonly correct: boolean; readonly plan?: JudgmentPlan };

/** A pair with the judgments of both its orders. */
export interface JudgedPair {
  readonly pair: ResponsePair;
  readonly orders: readonly JudgedExample<StoredJudgment>[];
}

export interface TrainingSetInput<Round> {
  readonly iteration: number;
  readonly seed: number;
  readonly round: Round;
  readonly sections: RecipeSections;
  /** The prompt with which judgments are trained. */
  readonly prompt: PromptTemplate;
  /** The prompt that asks for a verdict alone, if the round has one. */
  readonly directPrompt?: PromptTemplate | undefined;
  /** The prompts of the round's tasks by folder, if it has any. */
  readonly taskPrompts?: Readonly<Record<string, PromptTemplate>> | undefined;
  /**
   * All pairs, sorted by id. They may be read more than once, so that only ids are kept in memory, not texts.
   */
  readonly judgedPairs: () => AsyncIterable<JudgedPair>;
  /** The records of tasks beyond pairs, each in all its orders, and the prompts of the tasks; undefined if there are none. */
  readonly trainedTasks?:
    | {
        readonly promptsOf: (task: TaskName) => TaskPrompts;
        readonly judged: () => AsyncIterable<readonly JudgedTaskExample[]>;
      }
    | undefined;
}

/** A training set, ready to be published. */
export interface TrainingSet {
  /** `trainingExamples` is the number of records. */
  readonly counts: Counts & { readonly trainingExamples: number };
  /** How the training set was made; part of its manifest. */
  readonly summary?: unknown;
  /** Further files by name, as lines of JSON. */
  readonly files?: Readonly<Record<string, readonly unknown[]>>;
  readonly records: AsyncIterable<TrainingRecord>;
}

/** A line of a training set. The columns of `TrainingRows` with the learned messages are added to it. */
export interface TrainingRecord {
  /** `<pair>/<order>/<number>`; two records of one judgment differ in what stands behind the number. */
  readonly id: string;
  readonly prompt: readonly ChatMessage[];
  /**
   * The ids of the judgments in the record: both those that the model learns to prefer, and those that it
   * learns to avoid.
   */
  readonly judgments: { readonly kept: readonly string[]; readonly rejected: readonly string[] };
}

/** The format in which the training sets of a recipe are exported. */
export interface TrainingRows {
  /** TRL's name for this type of data set; the name of the exported data set's config. */
  readonly format: string;
  /** TRL's trainer for such rows. */
  readonly trlTrainer: string;
  /** An argument that the trainer needs beside model and rows: lines of Python that define its value under its name. */
  readonly trlArgument?: { readonly name: string; readonly definition: readonly string[] };
  /** The columns of messages besides `prompt`, each with the column that has its verdict. */
  readonly columns: readonly {
    readonly name: string;
    readonly description: string;
    readonly verdict: { readonly name: string; readonly description: string };
  }[];
  /** The fields of a record that are columns of texts, too. */
  readonly facts?: readonly { readonly name: string; readonly description: string }[];
}
