import assert from 'node:assert/strict';
import type { BenchmarkItem } from '../../src/benchmarks/benchmark.ts';
import type { BenchmarkFormat } from '../../src/benchmarks/registry.ts';
import { benchmarkOf } from '../support/benchmarks.ts';
import { fixture, judgeEachItem, pairsOf } from './fixture.ts';

/** Every verdict of every parser, as a judge weighs them. */
const REASONING =
  '[[A]] [[B]] [[C]] [[D]] [[A>B]] [[B>A]] Output (a) is better. Output (b) is better.\nOutput (a)\nOutput (b)\nVerdict: 3';

/** A text with a verdict in each format. */
const VERDICTS = {
  'reward-bench': '[[B]]',
  'reward-bench-2': '[[B]]',
  'reward-bench-2-ratings': '',
  'mt-bench': '[[B]]',
  'rm-bench': '[[B]]',
  'judge-bench': '[[B>A]]',
  llmbar: 'Therefore, Output (b) is better.',
  'eval-bias-bench': 'Output (b)',
  'reasoning-judge-bench': 'Verdict: [[B>A]]',
} as const satisfies Partial<Record<BenchmarkFormat, string>>;

const FILES: Partial<Record<BenchmarkFormat, string>> = {
  'reward-bench-2': 'reward-bench-2.parquet',
  'reward-bench-2-ratings': 'reward-bench-2.parquet',
  'mt-bench': 'mt-bench',
  'rm-bench': 'rm-bench/total_dataset.json',
};

describe('our figures of a judge that thinks before it answers', () => {
  for (const [format, verdict] of Object.entries(VERDICTS) as [BenchmarkFormat, string][])
    it(`are those of its answers alone: ${format}`, async () => {
      const benchmark = benchmarkOf(format);
      const file = FILES[format];
      const items: BenchmarkItem[] =
        file === undefined ? pairsOf(6, 'all') : (await benchmark.read(fixture(file))).items;
      // The first completion is a correct one.
      const answerTo = (slot: string) =>
        slot.startsWith('completion-') ? (slot === 'completion-000' ? '9' : '3') : verdict;
      const scoresOf = (before: string) => {
        const {
          official: _,
          outcomes,
          ...scores
        } = benchmark.score(
          items,
          judgeEachItem(benchmark, items, (_item, slot) => before + answerTo(slot)),
          { seed: 1 },
        );
        return { ...scores, parserDisagreement: 0, subsets: [], sections: [], outcomes };
      };
      const answered = scoresOf('');
      assert.equal(answered.unparsable, 0);
      assert.deepEqual(scoresOf(`<think>\n${REASONING}\n</think>\n\n`), answered);
      const unfinished = scoresOf(`<think>\n${REASONING}\n`);
      assert.equal(unfinished.unparsable, 1);
      assert.equal(unfinished.accuracy, 0);
      assert.deepEqual(Object.keys(unfinished.withoutVerdict ?? {}), ['reasoning without an end']);
    });
});
