import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import type { ExampleOutcome, FilterStatistics } from '../../src/method/filter-statistics.ts';
import { ORDERS } from '../../src/method/examples.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';
import type { Verdict } from '../../src/method/verdict.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import type { SftRecord } from '../../src/models/training/recipes/sft.ts';
import type { Judgment } from '../../src/runs/records.ts';

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
      const chance = Number.parseInt(stableHash('verdict', id).slice(0, 2), 16);
      const verdict: Verdict = chance < 110 ? 'A' : chance < 150 ? 'B' : chance < 200 ? 'tie' : 'none';
      const finishReason = chance % 10 === 0 ? 'length' : 'stop';
      const right = verdict === (order === 'better-first' ? 'A' : 'B') && finishReason === 'stop';
      return {
        id,
        pairId,
        order,
        sample,
        text: `${id} says ${verdict}`,
        verdict,
        finishReason,
        correct: right,
      };
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
    return { ...result, examples: await deps.store.readRecords<SftRecord>(result.artifact) };
  }
  const correctOf = (exampleId: string) =>
    judgments.filter(({ id, correct: right }) => right && id.startsWith(`${exampleId}/`));
  const exampleOf = ({ id }: SftRecord) => id.slice(0, id.lastIndexOf('/'));
  const textOf = ({ completion }: SftRecord) => completion[0]?.content;

  it('keeps one correct judgment of each example that has one', async () => {
    const { examples, counts } = await filter({ balance: false, minExamples: 1 });
    const withRight = pairs
      .flatMap(({ id }) => ORDERS.map((order) => `${id}/${order}`))
      .filter((id) => correctOf(id).length > 0);
    assert.deepEqual(examples.map(exampleOf), withRight);
    for (const example of examples)
      assert(
        correctOf(exampleOf(example)).some(({ id, text }) => id === example.id && text === textOf(example)),
      );
    assert.deepEqual(counts, { examples: 60, kept: withRight.length, trainingExamples: withRight.length });
  });

  it('keeps the same number of examples with the answer A as with B', async () => {
    const { examples, counts } = await filter({ minExamples: 1 });
    const ofA = examples.filter((example) => exampleOf(example).endsWith('/better-first')).length;
    assert(ofA > 0);
    assert.equal(examples.length, 2 * ofA);
    assert.equal(counts['trainingExamples'], examples.length);
    assert((counts['kept'] ?? 0) > examples.length);
  });

  it('makes the same training set for any shard size and any order of the judgments', async () => {
    const first = await filter({ minExamples: 1 });
    const other = await filter({ minExamples: 1 }, { shardSize: 30, of: judgments.toReversed() });
    assert.equal(other.artifact.sha256, first.artifact.sha256);
  });

  it('uses the training prompt, with the responses in the order in which they were judged', async () => {
    const training = { system: 'Judge.', user: '{instruction} | {responseA} | {responseB} | {betterSide}' };
    const { examples } = await filter({ minExamples: 1, balance: false }, { training });
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
    const manifest = await runs.at(-1)?.deps.store.readManifest(uri);
    return manifest?.summary as FilterStatistics;
  };

  it('counts the examples after each step, the sampled judgments, and the hardness of the examples', async () => {
    const { artifact, counts } = await filter({ minExamples: 1 });
    const { steps, samples, examplesBySamples, examplesByCorrect, sides, sources } =
      await statisticsOf(artifact);
    assert.deepEqual(steps, [
      { step: 'judged', examples: 60 },
      { step: 'with a correct judgment', examples: counts['kept'], judgments: counts['kept'] },
      {
        step: 'after balancing',
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
          .filter((id) => correctOf(id).length === k).length,
    );
    assert.deepEqual(examplesByCorrect, hardness);
    assert.equal(sides.A, sides.B);
    assert.deepEqual(sources, { generated: counts['trainingExamples'] });
    const path = join(runs.at(-1)?.deps.store.locate(artifact.uri) ?? '', 'examples.jsonl');
    const outcomes = (await readFile(path, 'utf8')).trim().split('\n');
    assert.equal(outcomes.length, 60);
    for (const line of outcomes) {
      const { id, ...outcome } = JSON.parse(line) as ExampleOutcome;
      const correct = correctOf(id).length;
      assert.deepEqual(
        outcome,
        correct > 0
          ? { judgments: 4, correct, reasoned: correct, kept: 1 }
          : { judgments: 4, correct, reasoned: 0, kept: 0, dropped: 'no correct judgment' },
      );
    }
  });

  it('leaves out guesses if judgments need reasoning, and counts them also if they do not', async () => {
    // The text of an even sample is a guess.
    const isGuess = ({ sample }: Judgment) => sample % 2 === 0;
    const of = judgments.map((judgment) => ({
      ...judgment,
      text: isGuess(judgment)
        ? `(${judgment.verdict}) looks better. [[${judgment.verdict}]]`
        : `The answer is 7. 7 (A), 8 (B). So 7 (${judgment.verdict}). [[${judgment.verdict}]]`,
    }));
    const right = of.filter(({ correct }) => correct);
    const reasonedRight = right.filter((judgment) => !isGuess(judgment));
    const examplesOf = (some: readonly Judgment[]) =>
      new Set(some.map(({ pairId, order }) => `${pairId}/${order}`));
    const [correctExamples, reasonedExamples] = [examplesOf(right), examplesOf(reasonedRight)];
    assert(reasonedExamples.size > 5 && reasonedExamples.size < correctExamples.size);

    const all = await filter({ balance: false, minExamples: 1 }, { of });
    assert.equal(all.examples.length, correctExamples.size);
    const before = (await statisticsOf(all.artifact)).reasoned;
    const guessesLearned = all.examples.filter((row) => textOf(row)?.includes('looks better')).length;
    assert(guessesLearned > 0);
    assert.deepEqual(before, {
      words: 5,
      correct: { judgments: right.length, reasoned: reasonedRight.length },
      trained: { judgments: correctExamples.size, reasoned: correctExamples.size - guessesLearned },
    });

    const { artifact, examples } = await filter({ balance: false, minReasoning: 10, minExamples: 1 }, { of });
    assert.deepEqual(examples.map(exampleOf), [...reasonedExamples]);
    for (const row of examples) assert.match(textOf(row) ?? '', /^The answer is/);
    const { steps, reasoned } = await statisticsOf(artifact);
    assert.deepEqual(steps.slice(1), [
      { step: 'with a correct judgment', examples: correctExamples.size },
      {
        step: 'with a reasoned judgment',
        examples: reasonedExamples.size,
        judgments: reasonedExamples.size,
      },
    ]);
    assert.deepEqual(reasoned?.trained, { judgments: examples.length, reasoned: examples.length });
    await assert.rejects(
      filter({ balance: false, minReasoning: 12, minExamples: 1 }, { of }),
      /of 60 examples \d+ with a correct judgment, 0 with a reasoned judgment/,
    );
  });

  it('keeps several correct judgments of an example if judgmentsPerExample allows it', async () => {
    const { examples, counts } = await filter({ balance: false, judgmentsPerExample: 2, minExamples: 1 });
    const byExample = Map.groupBy(examples, exampleOf);
    assert.equal(byExample.size, counts['kept']);
    for (const [id, rows] of byExample) assert.equal(rows.length, Math.min(2, correctOf(id).length));
    assert.equal(new Set(examples.map(({ id }) => id)).size, examples.length);
  });

  it('keeps only pairs with correct judgments in both orders, the same number in each, with requireBothOrders', async () => {
    const asked = { positionConsistentOnly: true, judgmentsPerExample: 3, minExamples: 1 };
    const { examples, artifact } = await filter({ ...asked, balance: false });
    const statistics = await statisticsOf(artifact);
    const rows = Map.groupBy(examples, exampleOf);
    for (const { id } of pairs) {
      const right = ORDERS.map((order) => correctOf(`${id}/${order}`).length);
      for (const order of ORDERS)
        assert.equal(rows.get(`${id}/${order}`)?.length ?? 0, Math.min(3, ...right), `${id}/${order}`);
    }
    assert.equal(statistics.sides.A, statistics.sides.B);
    assert.deepEqual(
      statistics.steps.map(({ step }) => step),
      ['judged', 'with a correct judgment', 'position-consistent'],
    );
    // Consistent pairs are already balanced.
    const balanced = await filter(asked);
    assert.equal(balanced.examples.length, examples.length);
  });

  it('keeps only examples above the majority threshold, with judgments without a verdict as incorrect', async () => {
    const { examples } = await filter({ balance: false, majorityThreshold: 0.5, minExamples: 1 });
    const often = pairs
      .flatMap(({ id }) => ORDERS.map((order) => `${id}/${order}`))
      .filter((id) => correctOf(id).length >= 2);
    assert.deepEqual(examples.map(exampleOf), often);
  });

  it("uses the majority of the judge's own verdicts as correct with the target majority-vote, and drops ties", async () => {
    const { examples, artifact } = await filter({
      balance: false,
      target: 'majority-vote',
      minExamples: 1,
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
    assert.equal((await statisticsOf(artifact)).steps[1]?.step, 'with a majority');
  });

  it('keeps the first correct judgment if sampling ended with it, and then reports no hardness', async () => {
    const judging = { samples: 4, strategy: { kind: 'until-correct' } } as const;
    const { examples, artifact } = await filter({ balance: false, minExamples: 1 }, { judging });
    for (const example of examples) assert.equal(example.id, correctOf(exampleOf(example))[0]?.id);
    assert.equal((await statisticsOf(artifact)).examplesByCorrect, undefined);
  });

  it('fails if too few examples remain, and says which step dropped the others', async () => {
    await assert.rejects(filter({ minExamples: 1000 }), {
      name: 'InvalidInput',
      message:
        /^iteration 1 has \d+ training examples, fewer than filtering\.minExamples \(1000\): of 60 examples \d+ with a correct judgment/,
    });
  });
});
