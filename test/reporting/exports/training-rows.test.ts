import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REASONING_MARKS } from '../../../src/method/reasoning.ts';
import { dpo } from '../../../src/models/training/recipes/dpo.ts';
import { grpo } from '../../../src/models/training/recipes/grpo.ts';
import type { TrainingRecipe } from '../../../src/models/training/recipes/recipe.ts';
import { sft } from '../../../src/models/training/recipes/sft.ts';
import { trainingRows } from '../../../src/reporting/exports/training-rows.ts';

describe('the rows of an exported training set', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'rows-'))));
  after(() => rm(folder, { recursive: true }));

  const said = (content: string) => [{ role: 'assistant', content }];
  const factsOf = async (record: unknown, { rows }: TrainingRecipe = sft) => {
    const file = join(folder, 'records.jsonl');
    await writeFile(file, `${JSON.stringify(record)}\n`);
    const known = { sources: new Map([['people-a/b', 'people']]), categories: new Map([['one', 'math']]) };
    const [row] = await Array.fromAsync(trainingRows(file, rows, known, REASONING_MARKS));
    const { prompt: _prompt, ...facts } = row ?? {};
    return facts;
  };

  it('contain source, order and verdict of a pair', async () => {
    assert.deepEqual(
      await factsOf({ id: 'people-a/b/worse-first/0003', prompt: [], completion: said('so [[A]]') }),
      {
        id: 'people-a/b/worse-first/0003',
        pair_id: 'people-a/b',
        order: 'worse-first',
        better_side: 'B',
        verdict: 'A',
        source: 'people',
        category: null,
        completion: said('so [[A]]'),
      },
    );
  });

  it('contain both verdicts of a preference pair', async () => {
    const [chosen, rejected] = [said('so [[A]]'), said('well')];
    assert.deepEqual(await factsOf({ id: 'one/better-first/0000', prompt: [], chosen, rejected }, dpo), {
      id: 'one/better-first/0000',
      pair_id: 'one',
      order: 'better-first',
      better_side: 'A',
      verdict: 'A',
      rejected_verdict: 'none',
      source: 'generated',
      category: 'math',
      chosen,
      rejected,
    });
  });

  it('contain the task, the order and the verdict of a record of another task, which has no better side', async () => {
    const id = 'verify-0123456789abcdef/turn-0/0002';
    const completion = said('so [[incorrect]]');
    assert.deepEqual(await factsOf({ id, prompt: [], completion }), {
      ...{ id, pair_id: 'verify-0123456789abcdef', order: 'turn-0', better_side: null },
      ...{ verdict: 'incorrect', source: 'verify', category: null, completion },
    });
    assert.deepEqual(await factsOf({ id, prompt: [], label: 'incorrect' }, grpo), {
      ...{ id, pair_id: 'verify-0123456789abcdef', order: 'turn-0', better_side: null },
      ...{ label: 'incorrect', source: 'verify', category: null },
    });
  });

  it('are rejected if an id contains no pair', async () => {
    await assert.rejects(factsOf({ id: 'one', prompt: [], completion: [] }), {
      message: /one is not the id/,
    });
  });
});
