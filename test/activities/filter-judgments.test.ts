import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filterJudgments, type TrainingExample } from '../../src/activities/filter-judgments.ts';
import type { Judgment } from '../../src/activities/judge-pairs.ts';
import type { ExampleOutcome, FilterStatistics } from '../../src/judge/filter-statistics.ts';
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
      judging = { samples: 4 },
    }: {
      training?: { system?: string; user: string };
      shardSize?: number;
      of?: Judgment[];
      judging?: ConfigurationInput['judging'];
    } = {},
  ) {
    const testRun = await startTestRun({ judging, filtering }, training === undefined ? {} : { training });
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
  const exampleOf = ({ id }: TrainingExample) => id.slice(0, id.lastIndexOf('/'));
  const textOf = ({ completion }: TrainingExample) => completion[0]?.content;

  it('keeps one right judgment of each example that has one', async () => {
    const { examples, counts } = await filter({ balance: false, minimumExamples: 1 });
    const withRight = pairs
      .flatMap(({ id }) => ORDERS.map((order) => `${id}/${order}`))
      .filter((id) => rightOf(id).length > 0);
    assert.deepEqual(examples.map(exampleOf), withRight);
    for (const example of examples)
      assert(
        rightOf(exampleOf(example)).some(({ id, text }) => id === example.id && text === textOf(example)),
      );
    assert.deepEqual(counts, { examples: 60, kept: withRight.length, trainingExamples: withRight.length });
  });

  it('leaves as many examples that answer A as B', async () => {
    const { examples, counts } = await filter({ minimumExamples: 1 });
    const ofA = examples.filter((example) => exampleOf(example).endsWith('/better-first')).length;
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
    for (const example of examples) {
      const { id, prompt, completion } = example;
      const index = Number(id.slice(5, 7));
      const [a, b] = exampleOf(example).endsWith('/better-first') ? ['better', 'worse'] : ['worse', 'better'];
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

  const statisticsOf = async ({ uri }: { uri: string }) => {
    const manifest = await runs.at(-1)?.deps.store.manifest(uri);
    return manifest?.summary as FilterStatistics;
  };

  it('counts what is left after each step, how many judgments were drawn, and how hard the examples are', async () => {
    const { artifact, counts } = await filter({ minimumExamples: 1 });
    const { steps, samples, examplesBySamples, examplesByRight, sides, sources } =
      await statisticsOf(artifact);
    assert.deepEqual(steps, [
      { step: 'are judged', examples: 60 },
      { step: 'have a right judgment', examples: counts['kept'], judgments: counts['kept'] },
      {
        step: 'are left after balance',
        examples: counts['trainingExamples'],
        judgments: counts['trainingExamples'],
      },
    ]);
    assert.deepEqual(samples, { drawn: 240, perExample: 4 });
    assert.deepEqual(examplesBySamples, { 4: 60 });
    const hardness = [0, 1, 2, 3, 4].map(
      (k) =>
        pairs
          .flatMap(({ id }) => ORDERS.map((order) => `${id}/${order}`))
          .filter((id) => rightOf(id).length === k).length,
    );
    assert.deepEqual(examplesByRight, hardness);
    assert.equal(sides.A, sides.B);
    assert.deepEqual(sources, { generated: counts['trainingExamples'] });
    const path = join(runs.at(-1)?.deps.store.path(artifact.uri) ?? '', 'examples.jsonl');
    const outcomes = (await readFile(path, 'utf8')).trim().split('\n');
    assert.equal(outcomes.length, 60);
    for (const line of outcomes) {
      const { id, ...outcome } = JSON.parse(line) as ExampleOutcome;
      const right = rightOf(id).length;
      assert.deepEqual(
        outcome,
        right > 0
          ? { judgments: 4, right, kept: 1 }
          : { judgments: 4, right, kept: 0, dropped: 'no right judgment' },
      );
    }
  });

  it('keeps several right judgments of an example where that is asked for', async () => {
    const { examples, counts } = await filter({ balance: false, judgmentsPerExample: 2, minimumExamples: 1 });
    const byExample = Map.groupBy(examples, exampleOf);
    assert.equal(byExample.size, counts['kept']);
    for (const [id, rows] of byExample) assert.equal(rows.length, Math.min(2, rightOf(id).length));
    assert.equal(new Set(examples.map(({ id }) => id)).size, examples.length);
  });

  it('keeps only pairs that have right judgments in both orders, as many in one as in the other', async () => {
    const asked = { positionConsistentOnly: true, judgmentsPerExample: 3, minimumExamples: 1 };
    const { examples, artifact } = await filter({ ...asked, balance: false });
    const statistics = await statisticsOf(artifact);
    const rows = Map.groupBy(examples, exampleOf);
    for (const { id } of pairs) {
      const right = ORDERS.map((order) => rightOf(`${id}/${order}`).length);
      for (const order of ORDERS)
        assert.equal(rows.get(`${id}/${order}`)?.length ?? 0, Math.min(3, ...right), `${id}/${order}`);
    }
    assert.equal(statistics.sides.A, statistics.sides.B);
    assert.deepEqual(
      statistics.steps.map(({ step }) => step),
      ['are judged', 'have a right judgment', 'are position-consistent'],
    );
    // What is consistent is balanced already.
    const balanced = await filter(asked);
    assert.equal(balanced.examples.length, examples.length);
  });

  it('keeps only examples that are right often enough, counting judgments without a verdict against them', async () => {
    const { examples } = await filter({ balance: false, majorityThreshold: 0.5, minimumExamples: 1 });
    const often = pairs
      .flatMap(({ id }) => ORDERS.map((order) => `${id}/${order}`))
      .filter((id) => rightOf(id).length >= 2);
    assert.deepEqual(examples.map(exampleOf), often);
  });

  it("takes the majority of the judge's own verdicts for right where that is asked for, and drops draws", async () => {
    const { examples, artifact } = await filter({
      balance: false,
      target: 'majority-vote',
      minimumExamples: 1,
    });
    const votes = (id: string, side: Verdict) =>
      judgments.filter(
        (judgment) =>
          judgment.id.startsWith(`${id}/`) && judgment.verdict === side && judgment.finishReason === 'stop',
      ).length;
    const ids = pairs.flatMap(({ id }) => ORDERS.map((order) => `${id}/${order}`));
    const decided = ids.filter((id) => votes(id, 'A') !== votes(id, 'B'));
    assert(decided.length < ids.length);
    assert.deepEqual(examples.map(exampleOf), decided);
    for (const example of examples) {
      const id = exampleOf(example);
      assert.match(textOf(example) ?? '', votes(id, 'A') > votes(id, 'B') ? /says A$/ : /says B$/);
    }
    assert.equal((await statisticsOf(artifact)).steps[1]?.step, 'have a majority');
  });

  it('keeps the first right judgment where sampling ended with it, and knows nothing of hardness then', async () => {
    const judging = { samples: 4, strategy: { kind: 'until-correct' } } as const;
    const { examples, artifact } = await filter({ balance: false, minimumExamples: 1 }, { judging });
    for (const example of examples) assert.equal(example.id, rightOf(exampleOf(example))[0]?.id);
    assert.equal((await statisticsOf(artifact)).examplesByRight, undefined);
  });

  it('fails rather than train on next to nothing, and says where the examples went', async () => {
    await assert.rejects(filter({ minimumExamples: 1000 }), {
      name: 'InputProblem',
      message:
        /^iteration 1 has \d+ training examples, fewer than filtering\.minimumExamples \(1000\): of 60 examples \d+ have a right judgment/,
    });
  });
});
