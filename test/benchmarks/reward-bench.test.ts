import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import type { BenchmarkJudgment, BenchmarkPair } from '../../src/benchmarks/benchmark.ts';
import { InvalidBenchmarkFile } from '../../src/benchmarks/benchmark.ts';
import { UnreadableFile } from '../../src/datasets/rows/read-rows.ts';
import { benchmarks } from '../support/benchmarks.ts';
import { rewardBenchTotals } from '../../src/benchmarks/reward-bench.ts';
import { ORDERS } from '../../src/method/examples.ts';
import { officialTable, referenceTotal } from './reference-scores.ts';

const benchmark = benchmarks['reward-bench'];
const kinds = ['so [[A]]', 'so [[B]]', '[[A]], no: [[B]]', '[[C]]', 'no idea', '[[B]] then [[C]]'];

function pairsOf(subsets: string[]): BenchmarkPair[] {
  return subsets.map((subset, i) => ({
    id: String(i).padStart(4, '0'),
    subset,
    instruction: `question ${i}`,
    better: 'b',
    worse: 'w',
  }));
}

function judge(pairs: BenchmarkPair[], text: (i: number, order: string) => string): BenchmarkJudgment[] {
  return pairs.flatMap((pair, i) =>
    ORDERS.map((order) => ({ item: pair.id, slot: order, texts: [text(i, order)] })),
  );
}

function close(actual: number | null | undefined, expected: number, tolerance = 1e-12): void {
  assert(
    typeof actual === 'number' && Math.abs(actual - expected) < tolerance,
    `${actual} is not ${expected}`,
  );
}

describe("RewardBench's official score", () => {
  it('has the published total for the published sections of Self-taught-evaluator-llama3.1-70B', () => {
    const published: Record<string, number> = {
      Chat: 0.9692737,
      'Chat Hard': 0.8508772,
      Safety: 0.8959459,
      Reasoning: 0.8844464,
    };
    const scores = rewardBenchTotals(
      Object.fromEntries(officialTable.map(([section, subset]) => [subset, published[section] ?? 0])),
    );
    for (const [section, value] of Object.entries(published)) close(scores.sections[section], value, 1e-9);
    close(scores.total, 0.90013583, 5e-8);
  });

  it('weighs math-prm as 984 rows whatever its real number of rows', () => {
    const scores = rewardBenchTotals({ 'math-prm': 365.5 / 447, 'hep-cpp': 1 });
    close(scores.sections['Reasoning'], (984 * (365.5 / 447) + 164) / (984 + 164));
  });

  it('is half a point for a text without a letter, as in the published 365.5 of 447 for math-prm', () => {
    const pairs = pairsOf(Array.from({ length: 447 }, () => 'math-prm'));
    const { official } = benchmark.score(
      pairs,
      judge(pairs, (i, order) =>
        i === 0 ? 'none' : i <= 365 === (order === 'better-first') ? '[[A]]' : '[[B]]',
      ),
      { seed: 1 },
    );
    close(official.singleOrder.subsets['math-prm'], 365.5 / 447);
    close(official.bothOrders.total, 365.5 / 447);
  });

  it('takes [[A]] before [[B]] in any position', () => {
    assert.equal(benchmark.officialVerdict('[[B]] or rather [[A]]'), 'A');
    assert.equal(benchmark.officialVerdict('[[B]]'), 'B');
    assert.equal(benchmark.officialVerdict('[A] [[C]]'), undefined);
  });

  it('is the unweighted mean of the subsets if none is official, and ignores unknown ones if some are', () => {
    close(rewardBenchTotals({ largest: 1, smallest: 0.5, first: 0 }).total, 0.5);
    close(rewardBenchTotals({ largest: 1, donotanswer: 0.25 }).total, 0.25);
  });
});

describe('scores of RewardBench judgments', () => {
  it('agree with an independent reference over random judgments', () => {
    let state = 7;
    const random = (n: number) => {
      state = (state * 48271) % 2147483647;
      return state % n;
    };
    for (let round = 0; round < 30; round++) {
      const rows = 1 + random(120);
      const pairs = pairsOf(
        Array.from({ length: rows }, () => officialTable[random(officialTable.length)]?.[1] ?? ''),
      );
      const chosen = pairs.map(() => [random(kinds.length), random(kinds.length)] as const);
      const judgments = judge(
        pairs,
        (i, order) => kinds[chosen[i]?.[order === 'better-first' ? 0 : 1] ?? 0] ?? '',
      );
      const scores = benchmark.score(pairs, judgments, { seed: round });

      // What each kind of text is worth when the better response is A, and when it is B.
      const official = { A: [1, 0, 1, 0.5, 0.5, 0], B: [0, 1, 0, 0.5, 0.5, 1] };
      const strict = { A: [1, 0, 0, 0, 0, 0], B: [0, 1, 0, 0, 0, 0] };
      const bothOrders = chosen.map(([a, b]) => ((official.A[a] ?? 0) + (official.B[b] ?? 0)) / 2);
      close(
        scores.official.bothOrders.total,
        referenceTotal(pairs.map(({ subset }, i) => ({ subset, result: bothOrders[i] ?? 0 }))),
      );
      let [first, second, both, a, decided, differ] = [0, 0, 0, 0, 0, 0];
      for (const [x, y] of chosen) {
        first += strict.A[x] ?? 0;
        second += strict.B[y] ?? 0;
        both += x === 0 && y === 1 ? 1 : 0;
        a += Number(x === 0) + Number(y === 0);
        decided += Number(x < 2) + Number(y < 2);
        differ += [x, y].filter((kind) => kind === 2 || kind === 5).length;
      }
      close(scores.betterFirstAccuracy, first / rows);
      close(scores.worseFirstAccuracy, second / rows);
      close(scores.accuracy, (first + second) / rows / 2);
      close(scores.positionConsistentAccuracy, both / rows);
      close(scores.unparsable, 1 - decided / rows / 2);
      close(scores.parserDisagreement, differ / rows / 2);
      if (decided === 0) assert.equal(scores.shareOfA, null);
      else close(scores.shareOfA, a / decided);
      for (const interval of [scores.accuracyInterval, scores.positionConsistentAccuracyInterval]) {
        assert(0 <= interval.low && interval.low <= interval.high && interval.high <= 1);
      }
      assert.deepEqual(benchmark.score(pairs, judgments.toReversed(), { seed: round }), scores);
    }
  });

  it('draw the single order by the seed, each about half of the time', () => {
    const pairs = pairsOf(Array.from({ length: 2000 }, () => 'donotanswer'));
    const alwaysA = judge(pairs, () => '[[A]]');
    const totals = [1, 2, 3].map(
      (seed) => benchmark.score(pairs, alwaysA, { seed }).official.singleOrder.total,
    );
    for (const total of totals) close(total, 0.5, 0.05);
    assert.equal(new Set(totals).size, 3);
    const scores = benchmark.score(pairs, alwaysA, { seed: 1 });
    assert.deepEqual(
      [
        scores.accuracy,
        scores.positionConsistentAccuracy,
        scores.betterFirstAccuracy,
        scores.worseFirstAccuracy,
      ],
      [0.5, 0, 1, 0],
    );
    assert.equal(scores.shareOfA, 1);
  });

  it('have an interval that is as wide as the binomial one', () => {
    const pairs = pairsOf(Array.from({ length: 400 }, () => 'donotanswer'));
    const right = (i: number, order: string) =>
      i % 4 > 0 === (order === 'better-first') ? '[[A]]' : '[[B]]';
    const scores = benchmark.score(pairs, judge(pairs, right), { seed: 5 });
    const halfWidth = 1.96 * Math.sqrt((0.75 * 0.25) / 400);
    close(scores.accuracyInterval.low, 0.75 - halfWidth, 0.01);
    close(scores.accuracyInterval.high, 0.75 + halfWidth, 0.01);
  });

  it('count a missing judgment as incorrect, and give the number of missing ones', () => {
    const pairs = pairsOf(['donotanswer', 'donotanswer']);
    const judgments: BenchmarkJudgment[] = [
      { item: '0000', slot: 'better-first', texts: ['[[A]]'] },
      { item: '0000', slot: 'worse-first', texts: ['[[B]]'] },
      { item: '0001', slot: 'better-first', texts: ['[[A]]'] },
    ];
    const scores = benchmark.score(pairs, judgments, { seed: 1 });
    assert.deepEqual(
      [scores.missingJudgments, scores.accuracy, scores.positionConsistentAccuracy],
      [1, 0.75, 0.5],
    );
  });

  it('take the majority of several texts', () => {
    const [pair] = pairsOf(['donotanswer']);
    assert(pair);
    const judgments: BenchmarkJudgment[] = [
      { item: pair.id, slot: 'better-first', texts: ['[[A]]', 'none', '[[B]]', '[[A]]'] },
      { item: pair.id, slot: 'worse-first', texts: ['[[B]]', '[[B]]', '[[A]]'] },
    ];
    const scores = benchmark.score([pair], judgments, { seed: 1 });
    assert.deepEqual([scores.positionConsistentAccuracy, scores.unparsable], [1, 1 / 7]);
    assert.equal(scores.shareOfA, 0.5);
  });

  it('exist for each subset and section, even for subsets that are not in the official table', () => {
    const pairs = pairsOf(['donotanswer', 'alpacaeval-easy', 'largest', 'largest']);
    const scores = benchmark.score(
      pairs,
      judge(pairs, () => '[[A]]'),
      { seed: 1 },
    );
    assert.deepEqual(
      scores.subsets.map(({ name, pairs: n }) => [name, n]),
      [
        ['alpacaeval-easy', 1],
        ['donotanswer', 1],
        ['largest', 2],
      ],
    );
    assert.deepEqual(
      scores.sections.map(({ name }) => name),
      ['Chat', 'Safety'],
    );
  });

  it('reject a judgment of an unknown pair and a second one of the same order', () => {
    const pairs = pairsOf(['donotanswer']);
    const judgment: BenchmarkJudgment = { item: '0000', slot: 'better-first', texts: [] };
    assert.throws(
      () => benchmark.score(pairs, [{ ...judgment, item: '9' }], { seed: 1 }),
      /unknown request 9\/better-first/,
    );
    assert.throws(
      () => benchmark.score(pairs, [judgment, judgment], { seed: 1 }),
      /two judgments of 0000\/better-first/,
    );
  });
});

describe("RewardBench's file", () => {
  let folder: string;
  const at = (name: string) => path.join(folder, name);
  const line = (row: object) =>
    `${JSON.stringify({ prompt: 'p', chosen: 'c', rejected: 'r', subset: 's', ...row })}\n`;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'reward-bench-'));
  });

  after(() => rm(folder, { recursive: true }));

  it('is read from the official columns, with row numbers as ids because the ids repeat', async () => {
    const rows = 11;
    const column = (name: string) => ({ name, data: Array.from({ length: rows }, (_, i) => `${name} ${i}`) });
    parquetWriteFile({
      filename: at('filtered.parquet'),
      columnData: [
        ...['prompt', 'chosen', 'chosen_model', 'rejected', 'rejected_model'].map(column),
        { name: 'subset', data: Array.from({ length: rows }, () => 'hep-cpp') },
        { name: 'id', data: Array.from({ length: rows }, () => 5n), type: 'INT64' },
      ],
    });
    const { items: pairs, warnings } = await benchmark.read(at('filtered.parquet'));
    assert.deepEqual(pairs[2], {
      id: '02',
      subset: 'hep-cpp',
      instruction: 'prompt 2',
      better: 'chosen 2',
      worse: 'rejected 2',
    });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /filtered\.parquet: 11 rows.*2985/);
  });

  it('may have its own subsets, without a warning', async () => {
    await writeFile(at('own.jsonl'), line({}) + line({ subset: 't' }));
    const { items: pairs, warnings } = await benchmark.read(at('own.jsonl'));
    assert.deepEqual([pairs.map(({ id }) => id), warnings], [['0', '1'], []]);
  });

  it('is rejected with path, row and field if rows are unusable', async () => {
    await writeFile(
      at('bad.jsonl'),
      `${line({})}not json\n${line({ chosen: 7 })}${line({ subset: undefined })}`,
    );
    await assert.rejects(benchmark.read(at('bad.jsonl')), (error: unknown) => {
      assert(error instanceof InvalidBenchmarkFile);
      for (const part of [
        at('bad.jsonl'),
        '3 rows',
        'row 1: line 2 is not JSON',
        'row 2: chosen:',
        'row 3: subset:',
      ]) {
        assert(error.message.includes(part), `${part} is not in ${error.message}`);
      }
      return true;
    });
  });

  it('is rejected if it is empty, lacks a column or has another format', async () => {
    await writeFile(at('empty.jsonl'), '');
    await assert.rejects(benchmark.read(at('empty.jsonl')), /empty\.jsonl: has no rows/);
    parquetWriteFile({ filename: at('few.parquet'), columnData: [{ name: 'prompt', data: ['p'] }] });
    await assert.rejects(benchmark.read(at('few.parquet')), /no column "chosen", "rejected", "subset"/);
    await assert.rejects(benchmark.read(at('x.tsv')), UnreadableFile);
  });
});
