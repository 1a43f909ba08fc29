import assert from 'node:assert/strict';
import { filterJudgments, type TrainingExample } from '../../src/activities/filter-judgments.ts';
import type { Judgment } from '../../src/activities/judge-pairs.ts';
import { ORDERS } from '../../src/judge/examples.ts';
import { hashOf } from '../../src/judge/seeds.ts';
import type { Verdict } from '../../src/judge/verdict.ts';
import type { ConfigurationInput } from '../../src/config/schema.ts';
import { asActivity, startTestRun, type TestRun } from './test-run.ts';

const pairs = Array.from({ length: 30 }, (_, index) => ({
  id: `pair-${String(index).padStart(2, '0')}`,
  instruction: `Question ${index}? {responseA}`,
  better: `better ${index}`,
  worse: `worse ${index}`,
}));

/** Four judgments of each example by a judge that prefers A. */
const judgments: Judgment[] = pairs.flatMap(({ id: pairId }) =>
  ORDERS.flatMap((order) =>
    [0, 1, 2, 3].map((sample): Judgment => {
      const id = `${pairId}/${order}/${sample}`;
      const chance = Number.parseInt(hashOf('verdict', id).slice(0, 2), 16);
      const verdict: Verdict = chance < 110 ? 'A' : chance < 150 ? 'B' : chance < 200 ? 'tie' : 'none';
      const finishReason = chance % 10 === 0 ? 'length' : 'stop';
      const right = verdict === (order === 'better-first' ? 'A' : 'B') && finishReason === 'stop';
      return { id, pairId, order, sample, text: `${id} says ${verdict}`, verdict, finishReason, right };
    }),
  ),
);

describe('filtering judgments', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function filter(
    filtering: NonNullable<ConfigurationInput['filtering']>,
    {
      training,
      shardSize = 8,
      of = judgments,
    }: { training?: { system?: string; user: string }; shardSize?: number; of?: Judgment[] } = {},
  ) {
    const testRun = await startTestRun({ filtering }, training === undefined ? {} : { training });
    runs.push(testRun);
    const { deps, run } = testRun;
    const inShards = await testRun.publish('test/pairs', pairs, shardSize);
    // A stage keeps the shard bounds of its input; the judgments of a pair are eight.
    const judged = await testRun.publish('test/iteration-1/judgments', of, shardSize * 8);
    const input = { run, iteration: 1, pairs: inShards, judgments: judged };
    const result = await asActivity(() => filterJudgments(deps, input));
    return { ...result, examples: await deps.store.records<TrainingExample>(result.artifact) };
  }
  const rightOf = (exampleId: string) =>
    judgments.filter(({ id, right }) => right && id.startsWith(`${exampleId}/`));
  const textOf = ({ completion }: TrainingExample) => completion[0]?.content;

  it('keeps one right judgment of each example that has one', async () => {
    const { examples, counts } = await filter({ balance: false, minimumExamples: 1 });
    const withRight = pairs
      .flatMap(({ id }) => ORDERS.map((order) => `${id}/${order}`))
      .filter((id) => rightOf(id).length > 0);
    assert.deepEqual(
      examples.map(({ id }) => id),
      withRight,
    );
    for (const example of examples) assert(rightOf(example.id).some(({ text }) => text === textOf(example)));
    assert.deepEqual(counts, { examples: 60, kept: withRight.length, trainingExamples: withRight.length });
  });

  it('leaves as many examples that answer A as B', async () => {
    const { examples, counts } = await filter({ minimumExamples: 1 });
    const ofA = examples.filter(({ id }) => id.endsWith('/better-first')).length;
    assert(ofA > 0);
    assert.equal(examples.length, 2 * ofA);
    assert.equal(counts['trainingExamples'], examples.length);
    assert((counts['kept'] ?? 0) > examples.length);
  });

  it('gives the same training set however the shards are cut and in whatever order judgments stand in them', async () => {
    const first = await filter({ minimumExamples: 1 });
    const other = await filter({ minimumExamples: 1 }, { shardSize: 30, of: judgments.toReversed() });
    assert.equal(other.artifact.sha256, first.artifact.sha256);
  });

  it('trains under the training prompt, with the responses in the order that was judged', async () => {
    const training = { system: 'Judge.', user: '{instruction} | {responseA} | {responseB} | {betterSide}' };
    const { examples } = await filter({ minimumExamples: 1, balance: false }, { training });
    for (const { id, prompt, completion } of examples) {
      const index = Number(id.slice(5, 7));
      const [a, b] = id.endsWith('/better-first') ? ['better', 'worse'] : ['worse', 'better'];
      assert.deepEqual(prompt, [
        { role: 'system', content: 'Judge.' },
        {
          role: 'user',
          content: `Question ${index}? {responseA} | ${a} ${index} | ${b} ${index} | {betterSide}`,
        },
      ]);
      assert.equal(completion[0]?.role, 'assistant');
    }
  });

  it('fails rather than train on next to nothing, and says where the examples went', async () => {
    await assert.rejects(filter({ minimumExamples: 1000 }), {
      name: 'InputProblem',
      message:
        /^iteration 1 has \d+ training examples, fewer than filtering\.minimumExamples \(1000\): of 60 examples \d+ have a right judgment/,
    });
  });
});
