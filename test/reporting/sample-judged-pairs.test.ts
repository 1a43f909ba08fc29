import assert from 'node:assert/strict';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import { sampleJudgedPairs, REPORT_LIMITS } from '../../src/reporting/sample-judged-pairs.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { ORDERS } from '../../src/method/examples.ts';
import type { Verdict } from '../../src/method/verdict.ts';
import type { JudgmentOutcome } from '../../src/reporting/report-data.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import type { Judgment } from '../../src/runs/records.ts';

const generated = Array.from({ length: 20 }, (_, index) => ({
  id: `pair-${String(index).padStart(2, '0')}`,
  instruction: `Question ${index}?`,
  similarInstruction: `Another question ${index}?`,
  better: `better ${index}`,
  worse: `worse ${index}`,
}));
const human = generated.slice(0, 5).map(({ id, instruction, better, worse }) => ({
  id: `human-${id}`,
  instruction,
  better,
  worse,
  source: 'people',
}));

/** Of each example one judgment that is right, one for the other side, one without a verdict, one cut off, one more right. */
function judgmentsOf(pairs: readonly { id: string }[]): Judgment[] {
  return pairs.flatMap(({ id: pairId }) =>
    ORDERS.flatMap((order) => {
      const [better, other]: Verdict[] = order === 'better-first' ? ['A', 'B'] : ['B', 'A'];
      const said = [better, other, 'none', better, better] as Verdict[];
      return said.map((verdict, sample): Judgment => {
        const id = `${pairId}/${order}/${sample}`;
        const finishReason = sample === 3 ? 'length' : 'stop';
        const right = verdict === better && finishReason === 'stop';
        const text = `${id} says ${verdict} ${'at length '.repeat(20)}`;
        return { id, pairId, order, sample, text, verdict, finishReason, correct: right };
      });
    }),
  );
}

describe('the pairs in a report', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  /** A run with its first training set; with human pairs as well where `among` has them. */
  async function judgedRun(
    among: readonly { id: string; source?: string }[] = generated,
    fineTuning: ConfigurationInput['fineTuning'] = {},
  ) {
    const testRun = await startTestRun({ judging: { samples: 5 }, fineTuning });
    runs.push(testRun);
    const { deps, run } = testRun;
    const folder = among.some(({ source }) => source !== undefined) ? 'test/judged-pairs' : 'test/pairs';
    const pairs = await testRun.publish(folder, among, 5);
    const judgments = await testRun.publish('test/iteration-1/judgments', judgmentsOf(among), 50);
    await asActivity(() => filterJudgments(deps, { run, iteration: 1, pairs, judgments }));
    return testRun;
  }
  const read = ({ deps }: TestRun, limits: Partial<typeof REPORT_LIMITS> = {}, planned = 1) =>
    sampleJudgedPairs(
      deps.store,
      {
        run: 'test',
        iterations: [1],
        planned,
        configuration: { pairs: { parts: 1 }, fineTuning: { rounds: [] } },
      },
      { ...REPORT_LIMITS, ...limits },
    );

  it('have one judgment of every outcome in each order, the kept one first', async () => {
    const [pair] = await read(await judgedRun());
    const { id, better, similarInstruction, examples } = pair ?? assert.fail();
    assert.deepEqual([id, better, similarInstruction], ['pair-00', 'better 0', 'Another question 0?']);
    assert.deepEqual(
      examples.map((example) => example.better),
      ['A', 'B'],
    );
    const outcomes: JudgmentOutcome[] = ['kept', 'correct, not kept', 'incorrect', 'truncated', 'no verdict'];
    for (const { iteration, judgments } of examples) {
      assert.equal(iteration, 1);
      assert.deepEqual(
        judgments.map(({ outcome }) => outcome),
        outcomes,
      );
    }
  });

  it('mark the chosen and the rejected judgment of a preference pair', async () => {
    const pairs = await read(await judgedRun(generated, { rounds: [{ method: 'dpo' }] }));
    const judgments = pairs.flatMap(({ examples }) => examples.flatMap((example) => example.judgments));
    const named = (outcome: JudgmentOutcome) => judgments.filter((one) => one.outcome === outcome);
    assert(named('kept').length > 0);
    assert.equal(named('rejected').length, named('kept').length);
    assert(named('rejected').every(({ text }) => /\/[12] says/.test(text)));
  });

  it('stay within the limits, which the planned iterations share', async () => {
    const testRun = await judgedRun();
    assert.equal((await read(testRun)).length, 20);
    assert.equal((await read(testRun, { examples: 12 })).length, 6);
    assert.equal((await read(testRun, { examples: 12 }, 3)).length, 2);
    const some = await read(testRun, { bytes: 10_000 });
    const texts = some.map(({ instruction, better, worse, examples }) =>
      [instruction, better, worse, ...examples.flatMap(({ judgments }) => judgments.map((j) => j.text))].join(
        '',
      ),
    );
    // The pair that goes beyond is the last one.
    assert(texts.join('').length >= 10_000 && texts.slice(0, -1).join('').length < 10_000);
  });

  it('have truncated texts, with the number of missing characters and the place of the complete text', async () => {
    const [pair] = await read(await judgedRun(), { text: 40 });
    const { text } = pair?.examples[0]?.judgments.at(-1) ?? assert.fail();
    assert.match(
      text,
      /^pair-00\/better-first\/2 says none.*\n\n\[… \d+ more characters: pair-00\/better-first\/2 in test\/iteration-1\/judgments\]$/,
    );
  });

  it('have the instruction’s category, or the source of a human label; pairs with one are in the last shards', async () => {
    const testRun = await judgedRun([...generated, ...human]);
    const categories = generated.map(({ id }, i) => ({ id, category: i === 1 ? null : 'math' }));
    await testRun.publish('test/instructions/categories', categories, 7);
    const pairs = await read(testRun, { examples: 20 });
    assert.deepEqual(
      pairs.map(({ id, category }) => [id, category]),
      [
        ...generated.slice(0, 5).map(({ id }, i) => [id, i === 1 ? undefined : 'math']),
        ...human.map(({ id }) => [id, 'human: people']),
      ],
    );
  });
});
