import { z } from 'zod';
import { ORDERS } from '../method/examples.ts';
import type { BenchmarkFile, BenchmarkPair, OfficialFigure } from './benchmark.ts';
import type { PairResult, OrderResult, ParsedVerdict } from './judged-pairs.ts';
import { type PairBenchmark, pairBenchmark } from './pair-benchmark.ts';
import { isOrderCorrect } from './pair-figures.ts';
import { readBenchmarkRows, rowCountWarnings, rowIds } from './read-benchmark.ts';
import { meanOrNull } from './strict-scores.ts';
import { firstLetterVerdict } from './votes.ts';

const common = {
  read: readJudgeBench,
  sectionOf,
  official: (judged, seed) => ({ figures: judgeBenchFigures(judged), decimals: 2, seed }),
} satisfies Partial<PairBenchmark<{ figures: OfficialFigure[]; seed: number }>>;

/** JudgeBench (arXiv 2410.12784) with its default prompt, Arena-Hard's, which has the verdicts `[[A>>B]]` to `[[B>>A]]`. */
export const judgeBench = pairBenchmark({
  name: 'judge-bench',
  promptFolder: 'prompts/judge-bench',
  officialVerdict: arenaHardVerdict,
  strictVerdict: onlyLabelVerdict,
  followUp: (text) =>
    comparisons(text).size > 0
      ? undefined
      : 'Continue your judgment, and end it with one of the five final verdict labels.',
  ...common,
});

/** The same pairs with the configuration's own pairwise prompt: `[[A]]` means A>B, `[[B]]` means B>A. */
export const judgeBenchPairwise = pairBenchmark({
  name: 'judge-bench-pairwise',
  officialVerdict: firstLetterVerdict,
  ...common,
});

/** The distinct comparisons in double brackets, such as `A>B`. */
function comparisons(text: string): Set<string> {
  return new Set([...text.matchAll(/\[\[([AB<>=]+)\]\]/g)].map((match) => match[1] as string));
}

/**
 * Arena-Hard's parser: accepts exactly one distinct comparison in the whole text. `>>` has the same meaning as `>`, but
 * A>B and A>>B in one text are two comparisons. Any other label, such as `A<B` or `A` alone, scores like a tie.
 */
function arenaHardVerdict(text: string): ParsedVerdict {
  const [only, ...others] = comparisons(text);
  if (only === undefined || others.length > 0) return undefined;
  const comparison = only.replaceAll('>>', '>');
  if (comparison === 'A>B') return 'A';
  return comparison === 'B>A' ? 'B' : 'tie';
}

/** The strict rule: any other label is no verdict. */
function onlyLabelVerdict(text: string): ParsedVerdict {
  const verdict = arenaHardVerdict(text);
  return verdict === 'tie' && !comparisons(text).has('A=B') ? undefined : verdict;
}

/**
 * The official scores: each order counts +1 for the label, -1 for its opposite and 0 for a tie or a missing verdict, and a
 * pair is correct if the sum of both orders is positive. Later papers require both orders to be correct.
 */
function judgeBenchFigures(judged: readonly PairResult[]): OfficialFigure[] {
  const points = (order: OrderResult) => {
    if (isOrderCorrect(order, 'official')) return 1;
    return order.official === 'A' || order.official === 'B' ? -1 : 0;
  };
  const bySum = ({ orders }: PairResult) =>
    Number(ORDERS.reduce((sum, order) => sum + points(orders[order]), 0) > 0);
  const inBoth = ({ orders }: PairResult) =>
    Number(ORDERS.every((order) => isOrderCorrect(orders[order], 'official')));
  const ofSections = [...new Set(Object.values(sections))].map((section) => ({
    name: `${section}, by the sum of both orders`,
    value: meanOrNull(judged.filter(({ pair }) => sectionOf(pair.subset) === section).map(bySum)),
  }));
  return [
    { name: 'overall, by the sum of both orders', value: meanOrNull(judged.map(bySum)) },
    { name: 'overall, correct in both orders', value: meanOrNull(judged.map(inBoth)) },
    ...ofSections.filter(({ value }) => value !== null),
  ];
}

/** The sections of the official tables, by the beginning of a source's name. */
const sections: Record<string, string> = {
  'mmlu-pro': 'Knowledge',
  'livebench-reasoning': 'Reasoning',
  'livebench-math': 'Math',
  livecodebench: 'Coding',
};

function sectionOf(source: string): string | undefined {
  return Object.entries(sections).find(([start]) => source.startsWith(start))?.[1];
}

const rowSchema = z.object({
  source: z.string().min(1),
  question: z.string().min(1),
  response_A: z.string(),
  response_B: z.string(),
  label: z.enum(['A>B', 'B>A']),
});

async function readJudgeBench(path: string): Promise<BenchmarkFile<BenchmarkPair>> {
  const { file, rows } = await readBenchmarkRows(
    path,
    rowSchema,
    'JudgeBench has 350 (gpt) and 270 (claude)',
  );
  const idOf = rowIds(rows.length);
  const items = rows.map(({ source, question, response_A, response_B, label }, row) => {
    const [better, worse] = label === 'A>B' ? [response_A, response_B] : [response_B, response_A];
    return { id: idOf(row), subset: source, instruction: question, better, worse };
  });
  const warnings = rowCountWarnings(file, rows.length, 'JudgeBench', { gpt: 350, claude: 270 });
  const unknown = [...new Set(rows.map(({ source }) => source))].filter(
    (source) => sectionOf(source) === undefined,
  );
  if (unknown.length > 0) {
    warnings.push(
      `${file}: these sources are not JudgeBench's and count in no section: ${unknown.sort().join(', ')}.`,
    );
  }
  return { items, warnings };
}
