import assert from 'node:assert/strict';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import type { Judgment } from '../../src/activities/judge-pairs.ts';
import type { PreferenceExample } from '../../src/activities/preference-set.ts';
import type { ConfigurationInput } from '../../src/config/schema.ts';
import { ORDERS } from '../../src/judge/examples.ts';
import type { Rightness } from '../../src/judge/rightness.ts';
import { hashOf } from '../../src/judge/seeds.ts';
import type { Verdict } from '../../src/judge/verdict.ts';
import { asActivity, startTestRun, type TestRun } from './test-run.ts';

const pairs = Array.from({ length: 30 }, (_, index) => ({
  id: `pair-${String(index).padStart(2, '0')}`,
  instruction: `Question ${index}?`,
  better: `better ${index}`,
  worse: `worse ${index}`,
}));

/** Four judgments of each example by a judge that prefers A. */
const judgments: Judgment[] = pairs.flatMap(({ id: pairId }) =>
  ORDERS.flatMap((order) =>
    [0, 1, 2, 3].map((sample): Judgment => {
      const id = `${pairId}/${order}/${sample}`;
      const chance = Number.parseInt(hashOf('verdict', id).slice(0, 2), 16);
      const verdict: Verdict = chance < 120 ? 'A' : chance < 200 ? 'B' : chance < 220 ? 'tie' : 'none';
      const right = verdict === (order === 'better-first' ? 'A' : 'B');
      return {
        id,
        pairId,
        order,
        sample,
        text: `${id} says ${verdict}`,
        verdict,
        finishReason: 'stop',
        right,
      };
    }),
  ),
);
const byId = new Map(judgments.map((judgment) => [judgment.id, judgment]));

interface Options {
  iteration?: number;
  shardSize?: number;
  of?: Judgment[];
  pairsPerExample?: number;
  rightness?: Rightness;
}

describe('the training set of a DPO round', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function filter(
    filtering: NonNullable<ConfigurationInput['filtering']>,
    { iteration = 2, shardSize = 8, of = judgments, pairsPerExample = 2, rightness }: Options = {},
  ) {
    const rounds = [
      { method: 'sft' as const },
      { method: 'dpo' as const, preferencePairsPerExample: pairsPerExample, rightness },
    ];
    const testRun = await startTestRun({ filtering, fineTuning: { rounds } });
    runs.push(testRun);
    const { deps, run } = testRun;
    const inShards = await testRun.publish('test/pairs', pairs, shardSize);
    const judged = await testRun.publish(`test/iteration-${iteration}/judgments`, of, shardSize * 8);
    const input = { run, iteration, pairs: inShards, judgments: judged };
    const result = await asActivity(() => filterJudgments(deps, input));
    return { ...result, rows: await deps.store.records<PreferenceExample>(result.artifact) };
  }
  const idOf = (messages: PreferenceExample['chosen']) => messages[0]?.content.split(' ')[0] ?? '';

  it('sets a right judgment against a wrong one of the same example, under its prompt', async () => {
    const { rows, counts } = await filter({ minimumExamples: 1 });
    assert(rows.length > 20);
    assert.equal(counts['trainingExamples'], rows.length);
    assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
    for (const row of rows) {
      const [chosen, rejected] = [byId.get(idOf(row.chosen)), byId.get(idOf(row.rejected))];
      assert(chosen?.right === true && rejected?.right === false);
      assert.deepEqual([chosen.id, rejected.id], [row.judgments.chosen, row.judgments.rejected]);
      assert.equal(chosen.pairId, rejected.pairId);
      assert.equal(chosen.order, rejected.order);
      const index = Number(chosen.pairId.slice(5));
      const shown = ['better', 'worse'].map((side) => `${side} ${index}`);
      const [a, b] = chosen.order === 'better-first' ? shown : shown.toReversed();
      assert.deepEqual(row.prompt, [{ role: 'user', content: `Question ${index}? (A) ${a} (B) ${b}` }]);
    }
  });

  it('has as many examples that answer A as B', async () => {
    const { rows, counts } = await filter({ minimumExamples: 1 }, { pairsPerExample: 1 });
    const ofA = rows.filter(({ id }) => id.includes('/better-first/')).length;
    assert.equal(rows.length, 2 * ofA);
    assert((counts['kept'] ?? 0) > rows.length, 'there was something to balance');
  });

  it('counts a judgment as right in both orders only with its counterpart', async () => {
    const { rows } = await filter({ minimumExamples: 1 }, { rightness: 'both-orders' });
    const single = await filter({ minimumExamples: 1 });
    assert(rows.length > 0 && rows.length < single.rows.length);
    for (const { judgments: ids } of rows) {
      const { pairId, sample } = byId.get(ids.chosen) ?? assert.fail(ids.chosen);
      for (const order of ORDERS) assert.equal(byId.get(`${pairId}/${order}/${sample}`)?.right, true);
      assert.equal(byId.get(ids.rejected)?.right, false);
    }
  });

  it('is the same however the shards are cut and in whatever order judgments stand in them', async () => {
    const first = await filter({ minimumExamples: 1 });
    const other = await filter({ minimumExamples: 1 }, { shardSize: 30, of: judgments.toReversed() });
    assert.equal(other.artifact.sha256, first.artifact.sha256);
  });

  it('is one for SFT in the iteration whose round says so', async () => {
    const { rows } = await filter({ minimumExamples: 1 }, { iteration: 1 });
    assert(rows.every((row) => 'completion' in row && !('chosen' in row)));
  });

  it('fails rather than be next to nothing, and says where the examples went', async () => {
    await assert.rejects(filter({ minimumExamples: 1000 }), {
      name: 'InputProblem',
      message:
        /^iteration 2 has \d+ preference pairs, fewer than filtering\.minimumExamples \(1000\): of 60 examples \d+ have no right judgment, \d+ no wrong one/,
    });
  });
});
