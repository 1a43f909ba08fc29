import assert from 'node:assert/strict';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import type { SftRecord } from '../../src/models/training/recipes/sft.ts';
import { judgments, publishSampled } from '../support/sampled-judgments.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

type Direct = { share: number; mode?: 'instead' | 'beside'; prompt?: string };
const byId = new Map(judgments.map((judgment) => [judgment.id, judgment]));

describe('a round that teaches verdicts alone', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function filter(direct: Direct | undefined, seed = 1) {
    const round = {
      method: 'sft' as const,
      ...(direct && { direct: { prompt: 'prompts/compact/direct', ...direct } }),
    };
    const changes = { seed, iterations: 1, filtering: { minExamples: 1 }, fineTuning: { rounds: [round] } };
    const folder = direct?.prompt ?? 'prompts/compact/direct';
    const testRun = await startTestRun(changes, {
      direct: { [folder]: { user: `${folder}: {instruction} (A) {responseA} (B) {responseB}` } },
    });
    runs.push(testRun);
    const { deps } = testRun;
    const input = await publishSampled(testRun);
    const result = await asActivity(() => filterJudgments(deps, input));
    return { ...result, rows: await deps.store.readRecords<SftRecord>(result.artifact) };
  }
  const isDirect = ({ id }: SftRecord) => id.endsWith('-direct');

  it('has the share of its examples with the prompt for a verdict and nothing else behind it, from both sides alike', async () => {
    const whole = await filter(undefined);
    const { rows, counts } = await filter({ share: 0.5 });
    assert.equal(rows.length, whole.rows.length);
    const direct = rows.filter(isDirect);
    assert.equal(direct.length, 2 * Math.floor(0.25 * rows.length));
    assert.equal(counts['verdicts alone'], direct.length);
    for (const { id, prompt, completion, judgments: of } of direct) {
      const judgment = byId.get(of.kept[0] ?? '');
      assert.equal(id, `${judgment?.id}-direct`);
      assert.deepEqual(completion, [{ role: 'assistant', content: `[[${judgment?.verdict}]]` }]);
      assert.match(
        prompt[0]?.content ?? '',
        /^prompts\/compact\/direct: Question \d+\? \(A\) (better|worse) \d+ \(B\) (better|worse) \d+$/,
      );
    }
    const ofA = direct.filter(({ completion }) => completion[0]?.content === '[[A]]');
    assert.equal(2 * ofA.length, direct.length);
    // The others are as they are without it.
    const others = new Map(whole.rows.map((row) => [row.id, row]));
    for (const row of rows.filter((each) => !isDirect(each))) assert.deepEqual(row, others.get(row.id));
  });

  it('keeps the reasoning beside the verdict if it is told so, and chooses by the seed', async () => {
    const { rows } = await filter(undefined);
    const beside = await filter({ share: 0.2, mode: 'beside' });
    assert.deepEqual(
      beside.rows.filter((row) => !isDirect(row)),
      rows,
    );
    assert.equal(beside.counts['trainingExamples'], beside.rows.length);
    assert.equal(beside.rows.length, rows.length + 2 * Math.floor(0.1 * rows.length));
    const again = await filter({ share: 0.2, mode: 'beside' });
    assert.equal(again.artifact.sha256, beside.artifact.sha256);
    assert((await filter({ share: 1 })).rows.every(isDirect));
  });

  it('is another training set under another share, mode or prompt', async () => {
    const hashes = [
      await filter({ share: 0.2 }),
      await filter({ share: 0.4 }),
      await filter({ share: 0.2, mode: 'beside' }),
      await filter({ share: 0.2, prompt: 'prompts/direct' }),
    ].map(({ artifact }) => artifact.sha256);
    assert.equal(new Set(hashes).size, hashes.length);
  });
});

describe('the configuration of a round that teaches verdicts alone', () => {
  const problemsOf = (iterations: number, rounds: (Direct | undefined)[]) =>
    parseConfiguration({
      ...tinyConfiguration('direct', 'http://127.0.0.1:9/v1', {
        iterations,
        fineTuning: {
          rounds: rounds.map((direct) => ({
            method: 'sft' as const,
            ...(direct && { direct: { prompt: 'prompts/direct', ...direct } }),
          })),
        },
      } satisfies Partial<ConfigurationInput>),
    }).problems.map(({ path, message }) => `${path}: ${message}`);

  it('is refused if the judge of the next iteration has learned nothing else', () => {
    const all = { share: 1 };
    assert.deepEqual(problemsOf(2, [undefined, all]), []);
    assert.deepEqual(problemsOf(2, [{ share: 0.5 }]), []);
    assert.deepEqual(problemsOf(2, [{ share: 1, mode: 'beside' }]), []);
    const refusal =
      /^fineTuning\.rounds\.0\.direct\.share: found 1, but the judge .* judges the next iteration, with reasons/;
    assert.match(problemsOf(2, [all]).join(), refusal);
    assert.match(problemsOf(2, [all, undefined]).join(), refusal);
    assert.match(problemsOf(3, [undefined, all]).join(), /^fineTuning\.rounds\.1\.direct\.share/);
    assert.deepEqual(problemsOf(1, [all, undefined]), []);
  });
});
