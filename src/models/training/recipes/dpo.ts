/** Direct preference optimization on pairs of a correct and an incorrect judgment (method, step 5). */
import { z } from 'zod';
import { judgePromptValues } from '../../../method/examples.ts';
import { expectedJudgments, sumUpTo } from '../../../method/expected-judgments.ts';
import { labelCorrectness } from '../../../method/labelled-examples.ts';
import {
  isContested,
  preferencePairs,
  type ContestedExample,
  type PreferencePair,
} from '../../../method/preference-pairs.ts';
import { plansOf } from '../../../method/plans.ts';
import { renderPrompt, type ChatMessage } from '../../../method/prompt-template.ts';
import type { CountedJudgment } from '../../../method/rejection-sampling.ts';
import { InvalidInput } from '../../../platform/invalid-input.ts';
import type { Problem } from '../../../platform/problem.ts';
import { quantity } from '../../../platform/quantity.ts';
import { nonNegative, positiveInteger, positiveNumber } from '../../../platform/schema-fields.ts';
import {
  hyperparameters,
  INIT_FROM_DESCRIPTION,
  initFromSchema,
  isScheduleValid,
  judgmentsSchema,
  risingRateError,
  selectCheckpointSchema,
} from './hyperparameters.ts';
import {
  defineRecipe,
  type JudgedPair,
  type RecipeSections,
  type TrainingRecord,
  type TrainingSetInput,
} from './recipe.ts';

/** The released code's defaults. */
const dpoHyperparameters = z.strictObject({
  ...hyperparameters({
    epochs: 5,
    maxSteps: 3000,
    gradientAccumulationSteps: 4,
    learningRate: 5.5e-8,
    minLrRatio: 20,
    warmupSteps: 0,
    maxGradNorm: 1,
    maxLength: 2048,
    saveSteps: 100,
  }),
  beta: positiveNumber
    .default(0.1)
    .describe(
      'The strength with which the reference holds the policy back; log-probabilities are summed over a judgment.',
    ),
  nllWeight: nonNegative
    .default(1.5)
    .describe(
      "The weight of the chosen judgment's negative log-likelihood per token, beside the preference loss.",
    ),
});

const dpoRoundSchema = z
  .strictObject({
    method: z
      .literal('dpo')
      .describe(
        'Learns to prefer correct judgments to incorrect ones; the reference is the checkpoint that the training starts from.',
      ),
    initFrom: initFromSchema.default('previous').describe(INIT_FROM_DESCRIPTION),
    correctness: z
      .enum(['single-order', 'both-orders'])
      .default('single-order')
      .describe(
        'When a judgment counts as correct: `single-order`: it agrees with the construction; `both-orders`: so does the ' +
          'sample of the same number in the other order (src/method/correctness.ts).',
      ),
    preferencePairsPerExample: positiveInteger
      .default(1)
      .describe(
        'The most pairs of a correct and an incorrect judgment that one example gives (released code: `num_pairs`).',
      ),
    judgments: judgmentsSchema,
    selectCheckpoint: selectCheckpointSchema,
    hyperparameters: dpoHyperparameters
      .refine(isScheduleValid, risingRateError)
      .prefault({})
      .describe('The hyperparameters of the training.'),
  })
  .describe('Direct preference optimization with a negative log-likelihood term.');

type DpoRound = z.output<typeof dpoRoundSchema>;

export const dpo = defineRecipe({
  configuration: dpoRoundSchema,
  hyperparameters: dpoHyperparameters,
  memory: { conversationsPerExample: 2, hasReferenceModel: () => true },
  rows: {
    format: 'preference',
    trlTrainer: 'DPOTrainer',
    columns: [
      {
        name: 'chosen',
        description: 'a judgment with the correct verdict',
        verdict: { name: 'verdict', description: 'of the chosen judgment: `A`, `B`, `tie` or `none`' },
      },
      {
        name: 'rejected',
        description: 'a judgment of the same prompt with an incorrect verdict, or none',
        verdict: { name: 'rejected_verdict', description: 'of the rejected judgment' },
      },
    ],
  },
  problems: dpoProblems,
  fingerprintInputs: (
    { filtering: { balance, minReasoning } },
    { correctness, preferencePairsPerExample },
  ) => ({
    balance,
    correctness,
    preferencePairsPerExample,
    // Left out otherwise, so that training sets of earlier versions are found again.
    ...(minReasoning === null ? {} : { minReasoning }),
  }),
  makeTrainingSet,
  expectedExamples(
    { judging, filtering: { judgmentsPerExample } },
    { correctness, preferencePairsPerExample },
    correctShare,
  ) {
    const { samples, strategy } = judging;
    const { probabilityOf } = expectedJudgments({ ...judging, judgmentsPerExample }, correctShare);
    // With early stopping of the sampling, about one correct and one incorrect judgment remain.
    const combinations = (correct: number) => {
      const all = correct * (samples - correct);
      return strategy.kind === 'all' ? all : Math.min(1, all);
    };
    // Both judgments of a pair follow one plan. Plans of an example are taken to share its pairs evenly.
    const plans = plansOf(judging);
    const perPlan = preferencePairsPerExample / plans;
    const pairs =
      plans *
      sumUpTo(
        samples,
        (correct) => Math.min(perPlan, combinations(correct)) * probabilityOf(correct, samples),
      );
    return correctness === 'both-orders' ? pairs * (1 - probabilityOf(0, samples)) : pairs;
  },
});

/** A row of the training set in TRL's preference format with an explicit prompt. */
export interface DpoRecord extends TrainingRecord {
  readonly chosen: readonly ChatMessage[];
  readonly rejected: readonly ChatMessage[];
}

/**
 * Reports settings under which DPO gets no incorrect judgments, and settings of `filtering` that select
 * single judgments, which DPO doesn't use.
 */
function dpoProblems(
  { judging, filtering }: Partial<RecipeSections>,
  rounds: readonly DpoRound[],
): Problem[] {
  const problems: Problem[] = [];
  const strategy = judging?.strategy;
  if (strategy?.kind === 'until-correct') {
    if (rounds.some(({ correctness }) => correctness === 'both-orders')) {
      const message =
        'found "until-correct", but "both-orders" of a round of DPO compares sample by sample: all N are needed';
      problems.push({ path: 'judging.strategy.kind', message });
    } else if (strategy.also === undefined) {
      const message =
        'missing: a round of DPO needs incorrect judgments too, set it to "incorrect", or the strategy to {"kind": "all"}';
      problems.push({ path: 'judging.strategy.also', message });
    }
  }
  if (filtering === undefined) return problems;
  const unused = {
    target: filtering.target !== 'construction',
    majorityThreshold: filtering.majorityThreshold !== null,
    judgmentsPerExample: filtering.judgmentsPerExample !== 1,
    positionConsistentOnly: filtering.positionConsistentOnly,
    humanData: filtering.humanData.length > 0,
  };
  for (const [field, isSet] of Object.entries(unused)) {
    if (!isSet) continue;
    const message = 'set, but fineTuning.rounds has DPO, which draws pairs of judgments: remove it';
    problems.push({ path: `filtering.${field}`, message });
  }
  return problems;
}

/** Draws the preference pairs of an iteration (src/method/preference-pairs.ts). */
async function makeTrainingSet({
  iteration,
  seed,
  round: { correctness, preferencePairsPerExample },
  sections: { filtering },
  prompt,
  judgedPairs,
}: TrainingSetInput<DpoRound>) {
  const labelled = () => labelCorrectness(examplesOf(judgedPairs()), correctness);
  const contested: ContestedExample[] = [];
  for await (const { example, correct, incorrect, judgments } of labelled()) {
    const ids = (some: readonly { readonly id: string }[]) => some.map(({ id }) => id);
    // A correct guess is neither preferred nor avoided.
    const isReasoned = ({ wordsBeforeVerdict }: CountedJudgment) =>
      wordsBeforeVerdict >= (filtering.minReasoning ?? 0);
    contested.push({
      id: example.id,
      side: example.betterSide,
      correct: ids(correct.filter(isReasoned)),
      incorrect: ids(incorrect),
      ...plansOfJudgments(judgments),
    });
  }
  const { balance, minExamples } = filtering;
  const pairs = preferencePairs(contested, { pairsPerExample: preferencePairsPerExample, balance, seed });
  const counts = {
    examples: contested.length,
    'examples without a correct judgment': contested.filter(({ correct }) => correct.length === 0).length,
    'examples without an incorrect judgment': contested.filter(({ incorrect }) => incorrect.length === 0)
      .length,
    ...(contested.some(({ planOf }) => planOf !== undefined)
      ? { 'examples without both in one plan': contested.filter(isContestedByPlansOnly).length }
      : {}),
    kept: contested.filter(isContested).length,
    balanced: new Set(pairs.map(({ exampleId }) => exampleId)).size,
    trainingExamples: pairs.length,
  };
  if (pairs.length < minExamples)
    throw new InvalidInput(
      `iteration ${iteration} has ${quantity(pairs.length, 'preference pair')}, fewer than filtering.minExamples (${minExamples}): ` +
        `of ${counts.examples} examples ${counts['examples without a correct judgment']} have no correct judgment, ` +
        `${counts['examples without an incorrect judgment']} no incorrect one, ${counts.kept} both (of one plan), ${counts.balanced} are left after balancing. ` +
        'More pairs, more samples or a higher temperature give more.',
    );
  return { counts, records: records(Map.groupBy(pairs, ({ exampleId }) => exampleId)) };

  async function* records(
    byExample: ReadonlyMap<string, readonly PreferencePair[]>,
  ): AsyncGenerator<DpoRecord> {
    for await (const { example, judgments } of labelled()) {
      const texts = new Map(judgments.map(({ id, text }) => [id, text]));
      const answer = (id: string): ChatMessage[] => [{ role: 'assistant', content: texts.get(id) ?? '' }];
      for (const [index, { chosen, rejected }] of (byExample.get(example.id) ?? []).entries())
        yield {
          id: `${example.id}/${String(index).padStart(4, '0')}`,
          prompt: renderPrompt(prompt, judgePromptValues(example)),
          chosen: answer(chosen),
          rejected: answer(rejected),
          judgments: { kept: [chosen], rejected: [rejected] },
        };
    }
  }
}

/** Returns whether an example has correct and incorrect judgments, but no plan has both. */
function isContestedByPlansOnly(example: ContestedExample): boolean {
  const { correct, incorrect } = example;
  return isContested({ correct, incorrect }) && !isContested(example);
}

/** The plan of each judgment, if they follow plans. */
function plansOfJudgments(
  judgments: JudgedPair['orders'][number]['judgments'],
): Pick<ContestedExample, 'planOf'> {
  const planned = judgments.flatMap(({ id, plan }) =>
    plan === undefined ? [] : [[id, plan.sample] as const],
  );
  return planned.length === 0 ? {} : { planOf: new Map(planned) };
}

async function* examplesOf(pairs: AsyncIterable<JudgedPair>) {
  for await (const { orders } of pairs) yield* orders;
}
