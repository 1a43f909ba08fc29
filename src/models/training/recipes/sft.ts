/** Supervised fine-tuning on the kept judgments (method, step 4). */
import { z } from 'zod';
import { judgePromptValues } from '../../../method/examples.ts';
import { expectedJudgments, sumUpTo } from '../../../method/expected-judgments.ts';
import {
  exampleOutcomes,
  filterStatistics,
  type ExampleOutcome,
  type FilterStatistics,
  type FilterStepName,
  type SelectedJudgment,
} from '../../../method/filter-statistics.ts';
import { balanceInSources, drawEvenly, GENERATED, mixSources } from '../../../method/mix-sources.ts';
import { judgmentsOfExample } from '../../../method/plans.ts';
import { renderPrompt, type PromptTemplate } from '../../../method/prompt-template.ts';
import type { CountedJudgment } from '../../../method/rejection-sampling.ts';
import {
  selectJudgments,
  type JudgmentSelection,
  type JudgmentSelectionRules,
} from '../../../method/select-judgments.ts';
import { REASONED_WORDS } from '../../../method/words-before-verdict.ts';
import { InvalidInput } from '../../../platform/invalid-input.ts';
import { quantity } from '../../../platform/quantity.ts';
import { fraction, promptFolderPath } from '../../../platform/schema-fields.ts';
import {
  hyperparameters,
  INIT_FROM_DESCRIPTION,
  initFromSchema,
  isScheduleValid,
  judgmentsSchema,
  risingRateError,
  selectCheckpointSchema,
} from './hyperparameters.ts';
import { defineRecipe, type RecipeSections, type TrainingRecord, type TrainingSetInput } from './recipe.ts';
import { selectTaskJudgments, taskJudgmentRows } from './task-rows.ts';

/** The paper's defaults. */
const sftHyperparameters = z.strictObject(
  hyperparameters({
    epochs: 2,
    maxSteps: null,
    gradientAccumulationSteps: 8,
    learningRate: 1e-6,
    minLrRatio: 0.2,
    warmupSteps: 100,
    maxGradNorm: null,
    maxLength: 4096,
    saveSteps: 500,
  }),
);

const directSchema = z
  .strictObject({
    share: fraction
      .gt(0)
      .describe('The share of the training examples, chosen by the seed, that teach the verdict alone.'),
    prompt: promptFolderPath.describe('The folder of the prompt that asks for the verdict alone.'),
    mode: z
      .enum(['instead', 'beside'])
      .default('instead')
      .describe('`instead`: such an example no longer teaches its reasoning; `beside`: it teaches both.'),
  })
  .describe(
    'Teaches verdicts without reasoning (System 2 distillation, arXiv 2407.06023). As a last round with the share 1 it makes a ' +
      'judge that answers in a few tokens; a small share beside the reasoning is known to help that too (SFR-Judge, arXiv 2409.14664).',
  );

const sftRoundSchema = z
  .strictObject({
    method: z.literal('sft').describe('Trains on the kept judgments.'),
    initFrom: initFromSchema.default('seed').describe(INIT_FROM_DESCRIPTION),
    judgments: judgmentsSchema,
    selectCheckpoint: selectCheckpointSchema,
    direct: directSchema.optional(),
    hyperparameters: sftHyperparameters
      .refine(isScheduleValid, risingRateError)
      .prefault({})
      .describe('The hyperparameters of the training.'),
  })
  .describe('Supervised fine-tuning.');

/** The file in the training set's folder with the outcome of each example. */
const EXAMPLES_FILE = 'examples.jsonl';

export const sft = defineRecipe({
  configuration: sftRoundSchema,
  hyperparameters: sftHyperparameters,
  memory: { conversationsPerExample: 1, hasReferenceModel: () => false },
  rows: {
    format: 'prompt-completion',
    trlTrainer: 'SFTTrainer',
    columns: [
      {
        name: 'completion',
        description: 'the judgment that is learned',
        verdict: { name: 'verdict', description: 'of the learned judgment: `A`, `B`, `tie` or `none`' },
      },
    ],
  },
  learnsTasks: true,
  problems: () => [],
  fingerprintInputs(sections, { direct }) {
    const { strategy, minReasoning, ...rules } = selectionRules(sections);
    return {
      ...(direct === undefined ? {} : { direct: { share: direct.share, mode: direct.mode } }),
      strategy: strategy.kind,
      ...rules,
      // Left out otherwise, so that training sets of earlier versions are found again.
      ...(minReasoning === null ? {} : { minReasoning }),
      balance: sections.filtering.balance,
      weights: sourceWeights(sections.filtering),
    };
  },
  makeTrainingSet,
  verdictsAlone({ direct }) {
    if (direct === undefined) return 0;
    return direct.mode === 'beside' ? direct.share / (1 + direct.share) : direct.share;
  },
  expectedExamples({ judging, filtering }, { direct }, correctShare) {
    const { judgmentsPerExample, majorityThreshold, positionConsistentOnly } = filtering;
    const samples = judgmentsOfExample(judging);
    const { probabilityOf } = expectedJudgments({ ...judging, samples, judgmentsPerExample }, correctShare);
    const fewest = Math.ceil((majorityThreshold ?? 0) * samples);
    const kept = sumUpTo(samples, (correct) =>
      correct < fewest ? 0 : Math.min(correct, judgmentsPerExample) * probabilityOf(correct, samples),
    );
    // The other order of the same pair must have a correct judgment too.
    const consistent = positionConsistentOnly ? kept * (1 - probabilityOf(0, samples)) : kept;
    return direct?.mode === 'beside' ? consistent * (1 + direct.share) : consistent;
  },
});

/**
 * Makes a row of the training set in TRL's prompt-completion format. Its id is that of the learned judgment.
 */
export interface SftRecord extends TrainingRecord {
  readonly completion: TrainingRecord['prompt'];
}

/** Keeps some of the correct judgments of each example, balances the sides in each source, and mixes the sources by weight. */
async function makeTrainingSet({
  iteration,
  seed,
  sections,
  prompt,
  directPrompt,
  round: { direct },
  judgedPairs,
  trainedTasks: tasks,
}: TrainingSetInput<z.output<typeof sftRoundSchema>>) {
  const { judging, filtering } = sections;
  const rules = selectionRules(sections);
  const outcomes: ExampleOutcome[] = [];
  const kept: SelectedJudgment[] = [];
  const reasonedWords = filtering.minReasoning ?? REASONED_WORDS;
  for await (const { pair, orders } of judgedPairs()) {
    const selections = selectJudgments(orders, rules, seed);
    outcomes.push(...exampleOutcomes(orders, selections, reasonedWords));
    const source = pair.source ?? GENERATED;
    kept.push(...selections.flatMap((selection) => selectedJudgments(selection, source, reasonedWords)));
  }
  const weights = sourceWeights(filtering);
  const isMixed = Object.keys(weights).length > 1;
  const balanced = filtering.balance ? balanceInSources(kept, seed) : kept;
  const trained = isMixed ? mixSources(balanced, new Map(Object.entries(weights)), seed) : balanced;
  const ofTasks = await selectTaskJudgments(tasks, rules, filtering.balance, seed);
  const pairStatistics = filterStatistics({
    outcomes,
    steps: appliedSteps(rules),
    later: [
      ...(filtering.balance ? [{ step: 'after balancing' as const, remaining: balanced }] : []),
      ...(isMixed ? [{ step: 'after mixing' as const, remaining: trained }] : []),
    ],
    selected: trained,
    samples: judging.strategy.kind === 'all' ? judgmentsOfExample(judging) : undefined,
    reasonedWords,
  });
  const alone =
    direct === undefined ? [] : drawEvenly(trained, Math.round(direct.share * trained.length), seed);
  const statistics = tasks === undefined ? pairStatistics : { ...pairStatistics, tasks: ofTasks.tasks };
  const examples = trained.length + ofTasks.ids.size;
  if (examples < filtering.minExamples)
    throw tooFewExamples(iteration, filtering.minExamples, examples, statistics);
  return {
    counts: {
      examples: outcomes.length,
      kept: outcomes.filter(({ kept: judgments }) => judgments > 0).length,
      ...(direct === undefined ? {} : { 'verdicts alone': alone.length }),
      ...(tasks === undefined ? {} : { 'of other tasks': ofTasks.ids.size }),
      trainingExamples: examples + (direct?.mode === 'beside' ? alone.length : 0),
    },
    summary: statistics,
    files: { [EXAMPLES_FILE]: outcomes },
    records: records(new Set(trained.map(({ id }) => id)), new Set(alone.map(({ id }) => id))),
  };

  async function* records(
    ids: ReadonlySet<string>,
    directIds: ReadonlySet<string>,
  ): AsyncGenerator<SftRecord> {
    for await (const { orders } of judgedPairs())
      for (const { example, judgments } of orders) {
        const values = judgePromptValues(example);
        for (const { id, text, verdict } of judgments) {
          if (!ids.has(id)) continue;
          const record = (suffix: string, from: PromptTemplate, content: string): SftRecord => ({
            id: `${id}${suffix}`,
            prompt: renderPrompt(from, values),
            completion: [{ role: 'assistant', content }],
            judgments: { kept: [id], rejected: [] },
          });
          const isDirect = directIds.has(id);
          if (!isDirect || direct?.mode === 'beside') yield record('', prompt, text);
          if (isDirect && directPrompt !== undefined) yield record('-direct', directPrompt, `[[${verdict}]]`);
        }
      }
    yield* taskJudgmentRows(tasks, ofTasks.ids);
  }
}

/** The settings that determine which judgments are kept. */
function selectionRules({ judging, filtering }: RecipeSections): JudgmentSelectionRules {
  const { target, judgmentsPerExample, majorityThreshold, positionConsistentOnly, minReasoning } = filtering;
  const { strategy } = judging;
  return { strategy, target, judgmentsPerExample, majorityThreshold, positionConsistentOnly, minReasoning };
}

/** The configured shares of the training set by source. */
function sourceWeights({ humanData, generatedWeight }: RecipeSections['filtering']): Record<string, number> {
  return {
    [GENERATED]: generatedWeight,
    ...Object.fromEntries(humanData.map(({ name, weight }) => [name, weight])),
  };
}

function selectedJudgments(
  selection: JudgmentSelection<CountedJudgment>,
  source: string,
  reasonedWords: number,
): SelectedJudgment[] {
  if (selection.dropped !== undefined) return [];
  const { example, targetSide, kept } = selection;
  return kept.map(({ id, wordsBeforeVerdict }) => ({
    ...{ id, exampleId: example.id, side: targetSide, source },
    isReasoned: wordsBeforeVerdict >= reasonedWords,
  }));
}

function appliedSteps(rules: JudgmentSelectionRules): Set<FilterStepName> {
  const steps: FilterStepName[] = ['judged', 'with a correct judgment'];
  if (rules.target === 'majority-vote') steps.push('with a majority');
  if (rules.minReasoning !== null) steps.push('with a reasoned judgment');
  if (rules.majorityThreshold !== null) steps.push('above the majority threshold');
  if (rules.positionConsistentOnly) steps.push('position-consistent');
  return new Set(steps);
}

function tooFewExamples(
  iteration: number,
  minimum: number,
  left: number,
  { steps: [judged, ...steps], tasks = [] }: FilterStatistics,
): InvalidInput {
  const remaining = steps.map(({ step, examples }) => `${examples} ${step}`).join(', ');
  const others = tasks.map(
    ({ task, judgments, correct, trained }) =>
      ` Of ${judgments} judgments for the task ${task} ${correct} are right, and ${trained} left.`,
  );
  return new InvalidInput(
    `iteration ${iteration} has ${quantity(left, 'training example')}, fewer than filtering.minExamples (${minimum}): ` +
      `of ${judged?.examples ?? 0} examples ${remaining}. More pairs or more samples give more.${others.join('')}`,
  );
}
