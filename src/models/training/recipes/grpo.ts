/**
 * Group relative policy optimization: the judge samples judgments of each pair during the training, and those that are rewarded
 * become more likely (DeepSeekMath, arXiv 2402.03300; J1, arXiv 2505.10320).
 */
import { z } from 'zod';
import { expectedJudgments, sumUpTo } from '../../../method/expected-judgments.ts';
import {
  originStatistics,
  sampleStatistics,
  type FilterStatistics,
} from '../../../method/filter-statistics.ts';
import { GENERATED } from '../../../method/mix-sources.ts';
import { judgmentsOfExample } from '../../../method/plans.ts';
import { InvalidInput } from '../../../platform/invalid-input.ts';
import type { Side } from '../../../method/verdict.ts';
import type { Problem } from '../../../platform/problem.ts';
import { fraction, nonNegative, positiveInteger, positiveNumber } from '../../../platform/schema-fields.ts';
import { refuseUnusedVllm, rolloutFields } from './grpo-rollouts.ts';
import {
  comparesResponses,
  drawTask,
  renderTask,
  taskPromptFolder,
  tasksSchema,
  type GrpoRecord,
} from './grpo-tasks.ts';
import {
  hyperparameters,
  INIT_FROM_DESCRIPTION,
  initFromSchema,
  isScheduleValid,
  judgmentsSchema,
  risingRateError,
  selectCheckpointSchema,
} from './hyperparameters.ts';
import { defineRecipe, type RecipeSections, type TrainingSetInput } from './recipe.ts';
import { selectTaskRecords, taskPromptRows } from './task-rows.ts';

/** J1's values for an 8B model, with a batch for one GPU. */
const grpoHyperparameters = z.strictObject({
  ...hyperparameters({
    epochs: 1,
    maxSteps: 500,
    gradientAccumulationSteps: 8,
    learningRate: 1e-6,
    minLrRatio: 1,
    warmupSteps: 0,
    maxGradNorm: 1,
    maxLength: 8192,
    saveSteps: 20,
  }),
  perDeviceBatchSize: positiveInteger.default(8).describe('Judgments in a forward pass on one device.'),
  reward: z
    .enum(['verdict', 'both-orders'])
    .default('both-orders')
    .describe(
      'What a judgment is rewarded for: `verdict`: its verdict is right; `both-orders`: so is that of the judgment with the same ' +
        'number in the other order of the pair.',
    ),
  numGenerations: z
    .int()
    .min(2)
    .default(8)
    .describe(
      'The judgments that are sampled for each prompt and compared with each other (TRL: `num_generations`).',
    ),
  maxCompletionLength: positiveInteger
    .default(4096)
    .describe('The most tokens of a sampled judgment. `maxLength` counts them too.'),
  ...rolloutFields,
  temperature: positiveNumber.default(1).describe('The temperature of the sampled judgments.'),
  topP: fraction.gt(0).default(1).describe('The share of the probability that judgments are sampled from.'),
  beta: nonNegative
    .default(0.01)
    .describe(
      'The strength with which the checkpoint that the training starts from holds the judge back (KL); 0 loads no reference.',
    ),
  epsilon: fraction.gt(0).default(0.2).describe('The clipping range of the probability ratio.'),
  lossType: z
    .enum(['grpo', 'bnpo', 'dr_grpo', 'dapo'])
    .default('dapo')
    .describe("How the loss is averaged over tokens, by TRL's names."),
  scaleRewards: z
    .enum(['group', 'batch', 'none'])
    .default('group')
    .describe(
      'Whether rewards are divided by their standard deviation in the group of a prompt, in the batch, or not.',
    ),
});

function hasWholeGroups(fields: z.output<typeof grpoHyperparameters>): boolean {
  const judgments = fields.perDeviceBatchSize * fields.gradientAccumulationSteps;
  return judgments % (fields.numGenerations * (fields.reward === 'both-orders' ? 2 : 1)) === 0;
}

const grpoRoundSchema = z
  .strictObject({
    method: z
      .literal('grpo')
      .describe('Reinforcement: samples judgments during the training and rewards right verdicts.'),
    initFrom: initFromSchema.default('previous').describe(INIT_FROM_DESCRIPTION),
    passRate: z
      .strictObject({
        min: fraction.default(0).describe('The least share.'),
        max: fraction.default(1).describe('The largest share.'),
      })
      .refine(({ min, max }) => min <= max, { path: ['min'], error: 'it is above max' })
      .prefault({})
      .describe(
        'Trains on the pairs, and on the records of `pairs.tasks`, for which this share of the judgments of the stage judgePairs, in ' +
          'all orders together, is correct. What the judge always or never gets right teaches nothing.',
      ),
    judgments: judgmentsSchema,
    selectCheckpoint: selectCheckpointSchema,
    tasks: tasksSchema,
    hyperparameters: grpoHyperparameters
      .refine(isScheduleValid, risingRateError)
      .refine(hasWholeGroups, {
        path: ['perDeviceBatchSize'],
        error:
          'perDeviceBatchSize x gradientAccumulationSteps, the judgments of a step on one device, must be a multiple of ' +
          'numGenerations, with the reward "both-orders" of 2 x numGenerations: they are compared with each other',
      })
      .superRefine(refuseUnusedVllm)
      .refine(({ maxCompletionLength, maxLength }) => maxCompletionLength < maxLength, {
        path: ['maxCompletionLength'],
        error: 'maxLength, which counts the prompt too, must be larger',
      })
      .prefault({})
      .describe('The hyperparameters of the training.'),
  })
  .refine(
    ({ tasks, hyperparameters: fields }) =>
      !comparesResponses(tasks) || hasWholeGroups({ ...fields, reward: 'both-orders' }),
    {
      path: ['hyperparameters', 'perDeviceBatchSize'],
      error:
        'perDeviceBatchSize x gradientAccumulationSteps must be a multiple of 2 x numGenerations with a pointwise task: the ' +
        'scores of both responses are compared with each other',
    },
  )
  .describe('Group relative policy optimization, a form of reinforcement learning.');

type GrpoRound = z.output<typeof grpoRoundSchema>;

export const grpo = defineRecipe({
  configuration: grpoRoundSchema,
  hyperparameters: grpoHyperparameters,
  memory: {
    conversationsPerExample: 1,
    hasReferenceModel: ({ beta }) => beta !== 0,
  },
  sampling: ({ hyperparameters: fields }) => ({
    perExample: fields.numGenerations,
    maxTokens: fields.maxCompletionLength,
    vllmMemory: fields.rollouts === 'vllm' ? fields.vllmMemory : undefined,
    vllmTensorParallel: fields.vllmTensorParallel,
  }),
  rows: {
    format: 'prompt-only',
    trlTrainer: 'GRPOTrainer',
    trlArgument: {
      name: 'reward_funcs',
      definition: [
        'def reward_funcs(completions, label, **_):  # 1 if the right verdict is the only one in a judgment',
        "    rights = [(completion[-1]['content'], f'[[{right}]]') for completion, right in zip(completions, label)]",
        "    return [float(right in text and '[[' not in text.replace(right, '')) for text, right in rights]",
      ],
    },
    columns: [],
    facts: [
      {
        name: 'label',
        description:
          'the right verdict: `A` or `B`; of other tasks the score, the letter of the best response, `correct` or `incorrect`',
      },
    ],
  },
  learnsTasks: true,
  problems: grpoProblems,
  fingerprintInputs: (_sections, { passRate: { min, max }, tasks = [] }) => ({
    passRate: { min, max },
    tasks: tasks.map((task) => ({
      kind: task.kind,
      weight: task.weight,
      prompt: taskPromptFolder(task).folder ?? null,
    })),
  }),
  makeTrainingSet,
  expectedExamples({ judging }, { passRate }, correctShare) {
    const all = 2 * judgmentsOfExample(judging);
    const { probabilityOf } = expectedJudgments({ ...judging, judgmentsPerExample: 1 }, correctShare);
    return sumUpTo(all, (correct) => (isWithin(correct / all, passRate) ? probabilityOf(correct, all) : 0));
  },
});

/** Reports a pass rate that the sampling does not measure, and settings of `filtering` that select judgments. */
function grpoProblems(
  { judging, filtering }: Partial<RecipeSections>,
  rounds: readonly GrpoRound[],
  isAlone: boolean,
): Problem[] {
  const problems: Problem[] = [];
  const selects = rounds.some(({ passRate: { min, max } }) => min > 0 || max < 1);
  if (selects && judging?.strategy.kind === 'until-correct') {
    const message =
      'found "until-correct", but "passRate" of a round of GRPO compares shares of all N judgments: set the strategy to {"kind": "all"}';
    problems.push({ path: 'judging.strategy.kind', message });
  }
  if (filtering === undefined) return problems;
  const unused = {
    target: filtering.target !== 'construction',
    majorityThreshold: filtering.majorityThreshold !== null,
    judgmentsPerExample: filtering.judgmentsPerExample !== 1,
    positionConsistentOnly: filtering.positionConsistentOnly,
    // A round of SFT that warms the judge up learns better without guesses.
    minReasoning: filtering.minReasoning !== null && isAlone,
    humanData: filtering.humanData.length > 0,
  };
  for (const [field, isSet] of Object.entries(unused)) {
    if (!isSet) continue;
    const message = 'set, but fineTuning.rounds has GRPO, which samples its own judgments: remove it';
    problems.push({ path: `filtering.${field}`, message });
  }
  return problems;
}

/** Selects the pairs and the records of other tasks by their pass rate. Each gives a row in all its orders. */
async function makeTrainingSet({
  iteration,
  seed,
  round: { passRate, tasks },
  sections: { judging, filtering },
  prompt,
  taskPrompts = {},
  judgedPairs,
  trainedTasks,
}: TrainingSetInput<GrpoRound>) {
  const selected = new Set<string>();
  const sampled: { judgments: number; correct: number }[] = [];
  const trained: { side: Side; source: string }[] = [];
  let pairs = 0;
  for await (const judged of judgedPairs()) {
    pairs += 1;
    sampled.push(...judged.orders.map(({ judgments }) => countCorrect(judgments)));
    if (!isWithin(passRateOf(judged.orders), passRate)) continue;
    const { id, source = GENERATED } = judged.pair;
    selected.add(id);
    trained.push(...judged.orders.map(({ example }) => ({ side: example.betterSide, source })));
  }
  const kept = 2 * selected.size;
  const ofTasks = await selectTaskRecords(trainedTasks, (orders) => isWithin(passRateOf(orders), passRate));
  const trainingExamples = kept + ofTasks.examples;
  if (trainingExamples < filtering.minExamples) {
    const others = ofTasks.tasks.map(
      ({ task, examples, trained }) =>
        ` Of ${examples} examples of the task ${task} ${trained} have such a pass rate.`,
    );
    throw new InvalidInput(
      `iteration ${iteration} has ${trainingExamples} training examples, fewer than filtering.minExamples (${filtering.minExamples}): ` +
        `of ${pairs} pairs ${selected.size} have a pass rate between ${passRate.min} and ${passRate.max}. ` +
        `More pairs or a wider passRate give more.${others.join('')}`,
    );
  }
  return {
    counts: {
      examples: 2 * pairs,
      kept,
      'examples outside the pass rate': 2 * (pairs - selected.size),
      ...(trainedTasks === undefined ? {} : { 'of other tasks': ofTasks.examples }),
      trainingExamples,
    },
    summary: {
      steps: [
        { step: 'judged', examples: 2 * pairs },
        { step: 'within the pass rate', examples: kept },
      ],
      ...sampleStatistics(sampled, judging.strategy.kind === 'all' ? judgmentsOfExample(judging) : undefined),
      ...originStatistics(trained),
      ...(trainedTasks === undefined ? {} : { tasks: ofTasks.tasks }),
    } satisfies FilterStatistics,
    records: records(),
  };

  async function* records(): AsyncGenerator<GrpoRecord> {
    for await (const { pair, orders } of judgedPairs()) {
      if (!selected.has(pair.id)) continue;
      const task = drawTask(tasks, pair.id, seed);
      const { folder } = taskPromptFolder(task);
      const template = folder === undefined ? prompt : taskPrompts[folder];
      if (template === undefined) throw new Error(`the prompt ${folder} of a task was not read`);
      for (const { example } of orders)
        yield {
          id: `${example.id}/0000`,
          ...{ item: pair.id, order: example.order, task: task.kind, label: example.betterSide },
          prompt: renderTask(task, template, pair, example),
          judgments: { kept: [], rejected: [] },
        };
    }
    yield* taskPromptRows(trainedTasks, ofTasks.ids);
  }
}

/** The share of the judgments of a pair or record, of all orders together, that are correct; 0 without any. */
function passRateOf(
  orders: readonly { readonly judgments: readonly { readonly correct: boolean }[] }[],
): number {
  const { judgments, correct } = countCorrect(orders.flatMap(({ judgments: sampled }) => sampled));
  return correct / Math.max(1, judgments);
}

function countCorrect(judgments: readonly { readonly correct: boolean }[]) {
  return { judgments: judgments.length, correct: judgments.filter(({ correct }) => correct).length };
}

function isWithin(share: number, { min, max }: GrpoRound['passRate']): boolean {
  return share >= min && share <= max;
}
