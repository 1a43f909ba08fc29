import assert from 'node:assert/strict';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { ORDERS } from '../../src/method/examples.ts';
import type { Correctness } from '../../src/method/correctness.ts';
import { judgments, pairs } from '../support/sampled-judgments.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import type { DpoRecord } from '../../src/models/training/recipes/dpo.ts';
import type { Judgment } from '../../src/runs/records.ts';

const byId = new Map(judgments.map((judgment) => [judgment.id, judgment]));

interface Options {
  iteration?: number;
  shardSize?: number;
  of?: Judgment[];
  pairsPerExample?: number;
  correctness?: Correctness;
}

describe('the training set of a DPO round', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function filter(
    filtering: NonNullable<ConfigurationInput['filtering']>,
    { iteration = 2, shardSize = 8, of = judgments, pairsPerExample = 2, correctness }: Options = {},
  ) {
    const rounds = [
      { method: 'sft' as const },
      { method: 'dpo' as const, preferencePairsPerExample: pairsPerExample, correctness },
    ];
    const testRun = await startTestRun({ filtering, fineTuning: { rounds } });
    runs.push(testRun);
    const { deps, run } = testRun;
    const inShards = await testRun.publish('test/pairs', pairs, shardSize);
    const judged = await testRun.publish(`test/iteration-${iteration}/judgments`, of, shardSize * 8);
    const input = { run, iteration, pairs: inShards, judgments: judged };
    const result = await asActivity(() => filterJudgments(deps, input));
    return { ...result, rows: await deps.store.readRecords<DpoRecord>(result.artifact) };
  }
  const idOf = (messages: DpoRecord['chosen']) => messages[0]?.content.split(' ')[0] ?? '';

  it('pairs a correct judgment with an incorrect one of the same example, under its prompt', async () => {
    const { rows, counts } = await filter({ minExamples: 1 });
    assert(rows.length > 20);
    assert.equal(counts['trainingExamples'], rows.length);
    assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
    for (const row of rows) {
      const [chosen, rejected] = [byId.get(idOf(row.chosen)), byId.get(idOf(row.rejected))];
      assert(chosen?.correct === true && rejected?.correct === false);
      assert.deepEqual([chosen.id, rejected.id], [...row.judgments.kept, ...row.judgments.rejected]);
      assert.equal(chosen.pairId, rejected.pairId);
      assert.equal(chosen.order, rejected.order);
      const index = Number(chosen.pairId.slice(5));
      const shown = ['better', 'worse'].map((side) => `${side} ${index}`);
      const [a, b] = chosen.order === 'better-first' ? shown : shown.toReversed();
      assert.deepEqual(row.prompt, [{ role: 'user', content: `Question ${index}? (A) ${a} (B) ${b}` }]);
    }
  });

  it('has the same number of examples with the answer A as with B', async () => {
    const { rows, counts } = await filter({ minExamples: 1 }, { pairsPerExample: 1 });
    const ofA = rows.filter(({ id }) => id.includes('/better-first/')).length;
    assert.equal(rows.length, 2 * ofA);
    assert((counts['kept'] ?? 0) > rows.length, 'there was something to balance');
  });

  it('counts a judgment as correct in both orders only if its counterpart is correct too', async () => {
    const { rows } = await filter({ minExamples: 1 }, { correctness: 'both-orders' });
    const single = await filter({ minExamples: 1 });
    assert(rows.length > 0 && rows.length < single.rows.length);
    for (const { chosen, rejected } of rows) {
      const { pairId, sample } = byId.get(idOf(chosen)) ?? assert.fail(idOf(chosen));
      for (const order of ORDERS) assert.equal(byId.get(`${pairId}/${order}/${sample}`)?.correct, true);
      assert.equal(byId.get(idOf(rejected))?.correct, false);
    }
  });

  it('prefers no guess if judgments need reasoning, and avoids none that is correct', async () => {
    // Seven words, and eleven in even samples.
    const of = judgments.map((judgment) => ({
      ...judgment,
      text: judgment.sample % 2 === 0 ? `${judgment.text} and it says why` : judgment.text,
    }));
    const isReasoned = (messages: DpoRecord['chosen']) => messages[0]?.content.endsWith('why') === true;
    const all = await filter({ minExamples: 1 }, { of });
    assert(all.rows.some(({ chosen }) => !isReasoned(chosen)));
    const { rows } = await filter({ minExamples: 1, minReasoning: 8 }, { of });
    assert(rows.length > 0 && rows.length < all.rows.length);
    assert(rows.every(({ chosen }) => isReasoned(chosen)));
    assert(rows.some(({ rejected }) => !isReasoned(rejected)));
    assert(rows.every(({ rejected }) => byId.get(idOf(rejected))?.correct === false));
  });

  it('does not depend on the size of the shards or the order of the judgments in them', async () => {
    const first = await filter({ minExamples: 1 });
    const other = await filter({ minExamples: 1 }, { shardSize: 30, of: judgments.toReversed() });
    assert.equal(other.artifact.sha256, first.artifact.sha256);
  });

  it('is a training set of SFT in an iteration whose round is SFT', async () => {
    const { rows } = await filter({ minExamples: 1 }, { iteration: 1 });
    assert(rows.every((row) => 'completion' in row && !('chosen' in row)));
  });

  it('fails if it is smaller than filtering.minExamples, and says how many examples each step left out', async () => {
    await assert.rejects(filter({ minExamples: 1000 }), {
      name: 'InvalidInput',
      message:
        /^iteration 2 has \d+ preference pairs, fewer than filtering\.minExamples \(1000\): of 60 examples \d+ have no correct judgment, \d+ no incorrect one/,
    });
  });
});
