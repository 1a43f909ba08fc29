/**
 * The example of docs/architecture.md for one more training method: supervised fine-tuning on the shortest correct
 * judgment of each example. As a part of the product it is src/models/training/recipes/shortest.ts and a line in
 * registry.ts.
 */
import { z } from 'zod';
import { judgePromptValues } from '../../src/method/examples.ts';
import { renderPrompt } from '../../src/method/prompt-template.ts';
import {
  hyperparameters,
  initFromSchema,
  judgmentsSchema,
  selectCheckpointSchema,
} from '../../src/models/training/recipes/hyperparameters.ts';
import { defineRecipe, type TrainingRecord } from '../../src/models/training/recipes/recipe.ts';
import { sft } from '../../src/models/training/recipes/sft.ts';

const shortestHyperparameters = z.strictObject(
  hyperparameters({
    epochs: 1,
    maxSteps: null,
    gradientAccumulationSteps: 8,
    learningRate: 1e-6,
    minLrRatio: 0.1,
    warmupSteps: 10,
    maxGradNorm: 1,
    maxLength: 2048,
    saveSteps: 100,
  }),
);

export const shortest = defineRecipe({
  configuration: z.strictObject({
    method: z.literal('shortest'),
    initFrom: initFromSchema.default('seed'),
    judgments: judgmentsSchema,
    selectCheckpoint: selectCheckpointSchema,
    maxCharacters: z.int().positive().default(2000),
    hyperparameters: shortestHyperparameters.prefault({}),
  }),
  hyperparameters: shortestHyperparameters,
  memory: sft.memory,
  rows: sft.rows,
  problems: ({ filtering }) =>
    filtering?.target === 'majority-vote'
      ? [
          {
            path: 'filtering.target',
            message: 'found "majority-vote", which "shortest" does not use: remove it',
          },
        ]
      : [],
  fingerprintInputs: (_sections, { maxCharacters }) => ({ maxCharacters }),
  async makeTrainingSet({ round, prompt, judgedPairs }) {
    const records: (TrainingRecord & { completion: TrainingRecord['prompt'] })[] = [];
    for await (const { orders } of judgedPairs())
      for (const { example, judgments } of orders) {
        const [judgment] = judgments
          .filter(({ correct, text }) => correct && text.length <= round.maxCharacters)
          .toSorted((a, b) => a.text.length - b.text.length);
        if (judgment === undefined) continue;
        records.push({
          id: judgment.id,
          prompt: renderPrompt(prompt, judgePromptValues(example)),
          completion: [{ role: 'assistant', content: judgment.text }],
          judgments: { kept: [judgment.id], rejected: [] },
        });
      }
    return { counts: { trainingExamples: records.length }, records: readable(records) };
  },
  expectedExamples: ({ judging }, _round, correctShare) => 1 - (1 - correctShare) ** judging.samples,
});

async function* readable<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
