import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidBenchmarkFile } from '../../src/benchmarks/benchmark.ts';
import { benchmarks } from '../support/benchmarks.ts';
import { judgeEachItem } from './fixture.ts';

const benchmark = benchmarks.pairs;

describe('own pairs with raters and models', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'own-pairs-'))));
  after(() => rm(folder, { recursive: true }));

  async function read(rows: readonly object[]) {
    const file = join(folder, 'pairs.jsonl');
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    return (await benchmark.read(file)).items;
  }
  const sides = (row: object) => ({ instruction: 'Which?', responseA: 'one', responseB: 'two', ...row });
  const chosen = (row: object) => ({ prompt: 'Which?', chosen: 'yes', rejected: 'no', ...row });

  it('have labels and models in terms of the better response, whichever columns name the responses', async () => {
    const [a] = await read([
      sides({
        betterSide: 'B',
        raters: { anna: 'B', ben: 'A', chris: 'tie', dora: null },
        modelA: 'x',
        modelB: 'y',
      }),
    ]);
    assert.deepEqual(a?.labels, { anna: 'better', ben: 'worse', chris: 'tie' });
    assert.deepEqual(a?.models, { better: 'y', worse: 'x' });
    const [b] = await read([chosen({ raters: ['chosen', 'rejected'], chosen_model: 'x' })]);
    assert.deepEqual(b?.labels, { 1: 'better', 2: 'worse' });
    assert.deepEqual(b?.models, { better: 'x' });
    const [c] = await read([chosen({})]);
    assert.deepEqual([c?.labels, c?.models], [undefined, undefined]);
  });

  it('are refused with row and rater if a label is none', async () => {
    await assert.rejects(read([chosen({}), chosen({ raters: { anna: 'A' } })]), (error: unknown) => {
      assert(error instanceof InvalidBenchmarkFile);
      assert.match(
        error.message,
        /row 1: the label of "anna" in "raters" is none of "chosen", "rejected", "tie"/,
      );
      return true;
    });
    await assert.rejects(
      read([sides({ betterSide: 'A', raters: 'A' })]),
      /"raters" is neither a list of labels/,
    );
  });

  it('show the agreement with the raters by subset, and the biases of the judge', async () => {
    const rows = Array.from({ length: 40 }, (_, i) =>
      chosen({
        prompt: `question ${i}`,
        chosen: `response ${i} ${'long '.repeat(i % 2 === 0 ? 30 : 1)}`,
        rejected: `another ${i} ${'long '.repeat(i % 2 === 0 ? 1 : 30)}`,
        subset: i < 20 ? 'early' : 'late',
        raters: { anna: 'chosen', ben: i % 10 === 0 ? 'rejected' : 'chosen', chris: 'chosen' },
        chosen_model: i % 2 === 0 ? 'Llama-3' : 'gpt-4',
        rejected_model: i % 2 === 0 ? 'gpt-4' : 'Llama-3',
      }),
    );
    const items = await read(rows);
    // The judge errs in both orders on every fourth pair: always one whose better response is the longer one.
    const judgments = judgeEachItem(benchmark, items, ({ id }, slot) =>
      (Number(id) % 4 === 0) === (slot === 'better-first') ? 'So it is [[B]]' : 'So [[A]]',
    );
    const { agreement, biases, accuracy } = benchmark.score(items, judgments, {
      seed: 1,
      judgeFamily: 'llama',
    });
    assert.equal(accuracy, 0.75);
    assert(agreement !== undefined && biases !== undefined);
    assert.equal(agreement.judge?.agreement, 0.75);
    assert.deepEqual(
      agreement.raters.map(({ rater, agreement: share }) => [rater, share]),
      [
        ['anna', 0.75],
        // Ben disagrees with the others on rows 0, 10, 20 and 30, of which the judge errs on 0 and 20.
        ['ben', 0.75],
        ['chris', 0.75],
      ],
    );
    assert((agreement.judge?.kappa ?? 0) > 0.4, 'A and B are given by a hash, so that labels differ');
    assert.deepEqual(
      agreement.categories.map(({ name, items: count }) => [name, count]),
      [
        ['early', 20],
        ['late', 20],
      ],
    );
    assert.equal(agreement.disagreements[0]?.unanimity, 1);
    const length = biases.find(({ bias }) => bias === 'length');
    assert.deepEqual(
      length?.groups.map(({ share }) => share),
      [0.5, 1],
    );
    assert.match(length?.meaning ?? '', /^The judge prefers the shorter response/);
    assert.match(
      biases.find(({ bias }) => bias === 'own family')?.meaning ?? '',
      /^The judge prefers the response of another model/,
    );
    assert.equal(biases.find(({ bias }) => bias === 'position')?.difference, 0);
  });

  it('of other benchmarks have biases, too, and no agreement with people', () => {
    const { biases, agreement } = benchmarks['reward-bench'].score(
      Array.from({ length: 8 }, (_, i) => ({
        id: String(i),
        subset: 'donotanswer',
        instruction: `question ${i}`,
        better: 'a long response',
        worse: 'no',
      })),
      [],
      { seed: 1 },
    );
    assert.equal(agreement, undefined);
    // Without any judgment nothing is shown.
    assert.deepEqual(biases, []);
  });
});
