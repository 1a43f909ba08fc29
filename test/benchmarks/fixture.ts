import { join } from 'node:path';
import type {
  Benchmark,
  BenchmarkItem,
  BenchmarkJudgment,
  BenchmarkScores,
} from '../../src/benchmarks/benchmark.ts';

/** A file of `test/fixtures/benchmarks`. */
export function fixture(name: string): string {
  return join(import.meta.dirname, '../fixtures/benchmarks', name);
}

/** A judgment of every request of the items, with the texts that `answer` gives for it. */
export function judgeEachItem<Item extends BenchmarkItem>(
  benchmark: Pick<Benchmark<Item, BenchmarkScores>, 'requests'>,
  items: readonly Item[],
  answer: (item: Item, slot: string) => string | string[],
): BenchmarkJudgment[] {
  return items.flatMap((item) =>
    benchmark.requests(item).map(({ slot }) => ({ item: item.id, slot, texts: [answer(item, slot)].flat() })),
  );
}

/** A figure by its name. */
export function figureNamed(scores: BenchmarkScores, name: string): number | null {
  const found = scores.official.figures.find((one) => one.name === name);
  if (found === undefined) {
    throw new Error(`no figure ${name} among ${scores.official.figures.map((one) => one.name).join('; ')}`);
  }
  return found.value;
}

/** So many pairs of one subset, whose ids are their numbers. */
export function pairsOf(count: number, subset: string) {
  return Array.from({ length: count }, (_, i) => ({
    id: String(i).padStart(3, '0'),
    subset,
    instruction: `question ${i}`,
    better: 'b',
    worse: 'w',
  }));
}
