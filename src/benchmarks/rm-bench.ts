import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { ORDERS } from '../method/examples.ts';
import type { Benchmark, BenchmarkFile, BenchmarkItem, OfficialFigure } from './benchmark.ts';
import { drawnOrder } from './drawn-order.ts';
import { withIntervals } from './figure-intervals.ts';
import { gradePair, pairResult, type PairResult, type OrderResult, pairRequests } from './judged-pairs.ts';
import { pairwisePrompts } from './pair-benchmark.ts';
import { isOrderCorrect } from './pair-figures.ts';
import { promptClusters } from './prompt-clusters.ts';
import { readBenchmarkRows, rowCountWarnings, rowIds } from './read-benchmark.ts';
import { scoreGraded } from './score-graded.ts';
import { mean } from './strict-scores.ts';
import { firstLetterVerdict, JudgmentTexts, strictVerdict } from './votes.ts';

/** The styles of each response, from concise to heavily formatted. */
const STYLES = ['concise', 'plain', 'markdown'] as const;

export interface RmBenchItem extends BenchmarkItem {
  readonly chosen: readonly string[];
  readonly rejected: readonly string[];
}

/** The comparison of a chosen response in one style with a rejected one in another style. */
interface Comparison {
  readonly chosenStyle: number;
  readonly rejectedStyle: number;
  readonly judged: PairResult;
}

/**
 * RM-Bench (arXiv 2410.16184): each row makes nine pairs, one for each combination of styles of the chosen and the rejected
 * response. A judge that prefers formatting errs if the rejected response is the more formatted one.
 */
export const rmBench: Benchmark<RmBenchItem> = {
  prompts: pairwisePrompts(),
  read: readRmBench,
  requests: (item) => comparisonsOf(item).flatMap(requestsOf),
  officialVerdict: firstLetterVerdict,
  score(items, judgments, options) {
    const { seed } = options;
    const comparisons = items.flatMap(comparisonsOf);
    const texts = new JudgmentTexts(comparisons.flatMap(requestsOf), judgments, options);
    const rules = { official: firstLetterVerdict, strict: strictVerdict };
    const judged: Comparison[] = comparisons.map(({ item, pair, styles, chosenStyle, rejectedStyle }) => ({
      chosenStyle,
      rejectedStyle,
      judged: pairResult(pair, (order) => texts.parse(item, `${styles}/${order}`, rules), seed),
    }));
    // The nine pairs of a row share a question, so they are one cluster.
    const clusters = promptClusters(items);
    const clusterOf = ({ judged: { pair } }: Comparison) => {
      const row = pair.id.slice(0, pair.id.lastIndexOf('/'));
      return clusters.get(row) ?? row;
    };
    const figures = withIntervals(
      judged,
      { clusterOf, stratumOf: (one) => one.judged.pair.subset, answers: 2 },
      (comparisonsDrawn) => rmBenchFigures(comparisonsDrawn, seed),
      seed,
    );
    return scoreGraded({
      benchmark: 'rm-bench',
      graded: judged.map((one) => gradePair(one.judged, clusterOf(one))),
      missing: texts.missing,
      official: { figures, seed },
      sectionOf: domainOf,
    });
  },
};

function comparisonsOf({ id, subset, instruction, chosen, rejected }: RmBenchItem) {
  return chosen.flatMap((better, chosenStyle) =>
    rejected.map((worse, rejectedStyle) => {
      const styles = `${STYLES[chosenStyle]}-${STYLES[rejectedStyle]}`;
      const pair = { id: `${id}/${styles}`, subset, instruction, better, worse };
      return { item: id, styles, chosenStyle, rejectedStyle, pair };
    }),
  );
}

/** Both orders of a comparison, as slots of its row. */
function requestsOf({ item, styles, pair }: ReturnType<typeof comparisonsOf>[number]) {
  return pairRequests({ ...pair, id: item }, `${styles}/`);
}

/**
 * The official scores. M[i][j] is the share of a domain's rows in which the chosen response in style i wins against the
 * rejected one in style j; a missing verdict is no win. Hard is the mean over the pairs whose rejected response is more
 * formatted, easy if the chosen one is, normal if both have the same style. A domain's score is the mean of the three, and
 * the overall score is the mean of the domains.
 */
function rmBenchFigures(comparisons: readonly Comparison[], seed: number): OfficialFigure[] {
  const byDomain = [...Map.groupBy(comparisons, ({ judged }) => domainOf(judged.pair.subset))].sort(
    ([a], [b]) => (a < b ? -1 : 1),
  );
  const both = byDomain.map(([domain, ofDomain]) => ({
    domain,
    ...levels(ofDomain, ({ orders }) => ORDERS.map((order) => orders[order])),
  }));
  const single = byDomain.map(([, ofDomain]) =>
    levels(ofDomain, (result) => [result.orders[drawnOrder(result, seed, 'rm-bench')]]),
  );
  const over = (level: 'hard' | 'normal' | 'easy') => mean(both.map((domain) => domain[level]));
  return [
    { name: 'overall, both orders', value: mean(both.map(({ domainMean }) => domainMean)) },
    { name: 'overall, one order', value: mean(single.map(({ domainMean }) => domainMean)) },
    { name: 'hard, both orders', value: over('hard') },
    { name: 'normal, both orders', value: over('normal') },
    { name: 'easy, both orders', value: over('easy') },
    ...both.map(({ domain, domainMean }) => ({ name: `${domain}, both orders`, value: domainMean })),
  ];
}

function levels(comparisons: readonly Comparison[], ordersOf: (judged: PairResult) => OrderResult[]) {
  const wins = new Map<string, number[]>();
  for (const { chosenStyle, rejectedStyle, judged } of comparisons) {
    const cell = `${chosenStyle}-${rejectedStyle}`;
    const ofCell = wins.get(cell) ?? [];
    ofCell.push(mean(ordersOf(judged).map((order) => Number(isOrderCorrect(order, 'official')))));
    wins.set(cell, ofCell);
  }
  const matrix = (i: number, j: number) => mean(wins.get(`${i}-${j}`) ?? []);
  const hard = mean([matrix(0, 1), matrix(0, 2), matrix(1, 2)]);
  const normal = mean([matrix(0, 0), matrix(1, 1), matrix(2, 2)]);
  const easy = mean([matrix(1, 0), matrix(2, 0), matrix(2, 1)]);
  return { hard, normal, easy, domainMean: mean([hard, normal, easy]) };
}

/** The domain of a subset: `safety-refuse` and `safety-response` are one domain. */
function domainOf(subset: string): string {
  return subset.startsWith('safety') ? 'safety' : subset;
}

const domains = ['chat', 'code', 'math', 'safety-refuse', 'safety-response'] as const;
const styles = z.array(z.string()).length(STYLES.length);
const rowSchema = z.object({
  prompt: z.string().min(1),
  chosen: styles,
  rejected: styles,
  domain: z.enum(domains),
});

/** The repository's files of the domains, whose rows don't name their domain, with their numbers of rows. */
const domainFiles: Record<z.output<typeof rowSchema>['domain'], number> = {
  chat: 129,
  code: 228,
  math: 529,
  'safety-refuse': 284,
  'safety-response': 157,
};

/** Reads `total_dataset.json`, one domain's file, or the repository's folder `data` with the files of the domains. */
async function readRmBench(location: string): Promise<BenchmarkFile<RmBenchItem>> {
  const root = path.resolve(location);
  const total = path.join(root, 'total_dataset.json');
  if (existsSync(total)) return readRmBench(total);
  const inFolder = domains.flatMap((domain) => {
    const file = path.join(root, `${domain}_filtered.json`);
    return existsSync(file) ? [{ domain, file }] : [];
  });
  const single = domains.find((domain) => path.basename(root) === `${domain}_filtered.json`);
  const files = inFolder.length === 0 && single !== undefined ? [{ domain: single, file: root }] : inFolder;
  if (files.length === 0) {
    const { file, rows } = await readBenchmarkRows(root, rowSchema, 'RM-Bench has 1327');
    return rmBenchFile(rows, rowCountWarnings(file, rows.length, 'RM-Bench', { 'total_dataset.json': 1327 }));
  }
  const rows: z.output<typeof rowSchema>[] = [];
  const warnings: string[] = [];
  for (const { domain, file } of files) {
    const ofDomain = await readBenchmarkRows(file, rowSchema.omit({ domain: true }), 'RM-Bench has 1327');
    rows.push(...ofDomain.rows.map((row) => ({ ...row, domain })));
    warnings.push(
      ...rowCountWarnings(file, ofDomain.rows.length, 'RM-Bench', { [domain]: domainFiles[domain] }),
    );
  }
  const missing = domains.filter((domain) => files.every((file) => file.domain !== domain));
  if (missing.length > 0) {
    const names = missing.map((domain) => `${domain}_filtered.json`).join(', ');
    warnings.push(`${root}: without ${names}, so the overall scores can't be compared with published ones.`);
  }
  return rmBenchFile(rows, warnings);
}

function rmBenchFile(
  rows: readonly z.output<typeof rowSchema>[],
  warnings: string[],
): BenchmarkFile<RmBenchItem> {
  const idOf = rowIds(rows.length);
  const items = rows.map(({ prompt, chosen, rejected, domain }, row) => ({
    id: idOf(row),
    subset: domain,
    instruction: prompt,
    chosen,
    rejected,
  }));
  return { items, warnings };
}
