import assert from 'node:assert/strict';
import { judgeExample, ORDERS } from '../../src/method/examples.ts';
import { findRecipe, RECIPES, roundSchemaOf } from '../../src/models/training/recipes/registry.ts';
import { shortest } from './example-recipe.ts';

describe('a third training recipe', () => {
  const recipes = [...RECIPES, shortest] as const;

  it('is configured by its name beside the others, with its own fields and defaults', () => {
    const round = roundSchemaOf(recipes).parse({ method: 'shortest', maxCharacters: 50 });
    assert(round.method === 'shortest');
    assert.deepEqual([round.maxCharacters, round.initFrom, round.hyperparameters.epochs], [50, 'seed', 1]);
    assert.equal(roundSchemaOf(recipes).parse({ method: 'dpo' }).initFrom, 'previous');
    assert.equal(roundSchemaOf(recipes).safeParse({ method: 'longest' }).success, false);
  });

  it('makes its training set of the judgments that the loop hands to it', async () => {
    const recipe = findRecipe(recipes, 'shortest');
    const pair = { id: 'p', instruction: 'which?', better: 'yes', worse: 'no' };
    const judgment = (order: (typeof ORDERS)[number], sample: number, text: string, correct: boolean) => ({
      id: `p/${order}/${sample}`,
      ...{ order, sample, text, correct },
      verdict: 'A' as const,
      finishReason: 'stop',
      wordsBeforeVerdict: 1,
    });
    const orders = ORDERS.map((order) => ({
      example: judgeExample(pair, order),
      judgments: [
        judgment(order, 0, 'long and correct', true),
        judgment(order, 1, 'correct', true),
        judgment(order, 2, 'not', false),
      ],
    }));
    const { counts, records } = await recipe.makeTrainingSet({
      iteration: 1,
      seed: 1,
      round: roundSchemaOf(recipes).parse({ method: 'shortest' }),
      sections: {
        judging: { samples: 3, strategy: { kind: 'all' } },
        filtering: {
          target: 'construction',
          judgmentsPerExample: 1,
          majorityThreshold: null,
          positionConsistentOnly: false,
          minReasoning: null,
          balance: true,
          humanData: [],
          generatedWeight: 1,
          minExamples: 1,
        },
      },
      prompt: { user: '{instruction}' },
      judgedPairs: async function* () {
        yield { pair, orders };
      },
    });
    assert.deepEqual(counts, { trainingExamples: 2 });
    assert.deepEqual(
      (await Array.fromAsync(records)).map(({ id }) => id),
      ORDERS.map((order) => `p/${order}/1`),
    );
  });
});
