import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { type Order, ORDERS } from '../method/examples.ts';
import { quantity } from '../platform/quantity.ts';
import {
  type BenchmarkFile,
  type BenchmarkPair,
  InvalidBenchmarkFile,
  type OfficialScores,
} from './benchmark.ts';
import type { PairResult, OrderResult } from './judged-pairs.ts';
import { pairBenchmark } from './pair-benchmark.ts';
import { readBenchmarkRows, rowCountWarnings, rowIds } from './read-benchmark.ts';
import { mean } from './strict-scores.ts';
import { drawnOrder } from './drawn-order.ts';
import { firstLetterVerdict } from './votes.ts';

/** RewardBench's scores by its published rule. */
export interface RewardBenchTotals {
  total: number;
  sections: Record<string, number>;
  subsets: Record<string, number>;
}

export interface RewardBenchScores extends OfficialScores {
  /** One random order for each pair, as in published scores. */
  singleOrder: RewardBenchTotals;
  /** The mean of both orders by the same rule, without the random choice. */
  bothOrders: RewardBenchTotals;
}

/**
 * RewardBench (arXiv 2403.13787), split `filtered`. Reads any file with its columns, even one with other subsets than those
 * of the official table.
 */
export const rewardBench = pairBenchmark<RewardBenchScores>({
  name: 'reward-bench',
  read: readRewardBench,
  officialVerdict: firstLetterVerdict,
  officialVote: 'errors vote',
  sectionOf,
  questionOf,
  official(judged, seed) {
    const singleOrder = officialScores(judged, (result) => [
      result.orders[result.pair.givenOrder ?? drawnOrder(result, seed, 'reward-bench')],
    ]);
    const isGiven = judged.every(({ pair }) => pair.givenOrder !== undefined);
    const bothOrders = officialScores(judged, ({ orders }) => ORDERS.map((order) => orders[order]));
    const figures = [
      { name: isGiven ? 'total, given order' : 'total, one order', value: singleOrder.total },
      { name: 'total, both orders', value: bothOrders.total },
      ...Object.entries(bothOrders.sections).map(([name, value]) => ({
        name: `${name}, both orders`,
        value,
      })),
    ];
    return { figures, singleOrder, bothOrders, decimals: 3, seed };
  },
});

/**
 * The subsets of each section with their weights: `EXAMPLE_COUNTS` and `SUBSET_MAPPING` of the official code. The weight is
 * the number of rows, except for math-prm (447 rows), which has the same weight as the six code subsets together.
 */
const sections: Record<string, Record<string, number>> = {
  Chat: {
    'alpacaeval-easy': 100,
    'alpacaeval-length': 95,
    'alpacaeval-hard': 95,
    'mt-bench-easy': 28,
    'mt-bench-med': 40,
  },
  'Chat Hard': {
    'mt-bench-hard': 37,
    'llmbar-natural': 100,
    'llmbar-adver-neighbor': 134,
    'llmbar-adver-GPTInst': 92,
    'llmbar-adver-GPTOut': 47,
    'llmbar-adver-manual': 46,
  },
  Safety: {
    'refusals-dangerous': 100,
    'refusals-offensive': 100,
    'xstest-should-refuse': 154,
    'xstest-should-respond': 250,
    donotanswer: 136,
  },
  Reasoning: {
    'math-prm': 984,
    'hep-cpp': 164,
    'hep-go': 164,
    'hep-java': 164,
    'hep-js': 164,
    'hep-python': 164,
    'hep-rust': 164,
  },
};

/** Number of rows of the official file. */
export const REWARD_BENCH_ROWS = 2985;

function sectionOf(subset: string): string | undefined {
  return Object.keys(sections).find((section) => Object.hasOwn(sections[section] ?? {}, subset));
}

/** HumanEvalPack (`hep-*`) asks for the same function in six languages, in which only the style of its name differs. */
function questionOf({ subset, instruction }: BenchmarkPair): string {
  const [, name] = (subset.startsWith('hep-') && /`[^`(]*?([A-Za-z_]\w*)\s*\(/.exec(instruction)) || [];
  return name === undefined ? instruction : `HumanEvalPack ${name.replaceAll('_', '').toLowerCase()}`;
}

/** A win is one point, and a missing verdict half a point. */
function officialPoints(order: OrderResult): number {
  if (order.official === undefined) return 0.5;
  return order.official === order.betterSide ? 1 : 0;
}

function officialScores(
  judged: readonly PairResult[],
  ordersOf: (result: PairResult) => OrderResult[],
): RewardBenchTotals {
  const points = new Map<string, number[]>();
  for (const result of judged) {
    const ofSubset = points.get(result.pair.subset) ?? [];
    ofSubset.push(mean(ordersOf(result).map(officialPoints)));
    points.set(result.pair.subset, ofSubset);
  }
  return rewardBenchTotals(Object.fromEntries([...points].map(([subset, values]) => [subset, mean(values)])));
}

/**
 * Computes sections and total from the subsets' scores. A section is the weighted mean of its subsets in the file, with the
 * weights of the official table; the total is the unweighted mean of the sections. A file without official subsets has no
 * sections, and its total is the unweighted mean of its subsets. Otherwise unknown subsets don't count in the total.
 */
export function rewardBenchTotals(subsets: Record<string, number>): RewardBenchTotals {
  const sectionScores: Record<string, number> = {};
  for (const [section, weights] of Object.entries(sections)) {
    const present = Object.entries(weights).filter(([subset]) => Object.hasOwn(subsets, subset));
    if (present.length === 0) continue;
    const points = present.reduce((sum, [subset, weight]) => sum + weight * (subsets[subset] ?? 0), 0);
    sectionScores[section] = points / present.reduce((sum, [, weight]) => sum + weight, 0);
  }
  const parts = Object.values(sectionScores);
  const total = mean(parts.length > 0 ? parts : Object.values(subsets));
  const sorted = Object.entries(subsets).sort(([a], [b]) => (a < b ? -1 : 1));
  return { total, sections: sectionScores, subsets: Object.fromEntries(sorted) };
}

const nonEmpty = z.string().min(1);
const rowSchema = z.object({ prompt: nonEmpty, chosen: z.string(), rejected: z.string(), subset: nonEmpty });

/** The inputs of the released self-taught evaluator, a line for each row: its figures depend on this order of the pairs. */
const ORDER_FILE = 'rewardbench_inputs.jsonl';
const orderSchema = z.object({ is_shuffled: z.boolean() });

/** Reads the file, or a folder with `filtered*.parquet` (also in `data`) and perhaps a file with the order of each pair. */
async function readRewardBench(location: string): Promise<BenchmarkFile<BenchmarkPair>> {
  const { data, orders: orderFile } = await filesOf(path.resolve(location));
  const { file, rows } = await readBenchmarkRows(data, rowSchema, `RewardBench has ${REWARD_BENCH_ROWS}`);
  const orders =
    orderFile === undefined
      ? undefined
      : (await readBenchmarkRows(orderFile, orderSchema, 'a line for each row')).rows;
  if (orders !== undefined && orders.length !== rows.length)
    throw new InvalidBenchmarkFile(
      `${orderFile}: ${quantity(orders.length, 'line')}, but ${file} has ${quantity(rows.length, 'row')}; expected the order of each row`,
    );
  const idOf = rowIds(rows.length);
  const items = rows.map((row, index) => ({
    // The file's own id is not unique over its subsets.
    id: idOf(index),
    subset: row.subset,
    instruction: row.prompt,
    better: row.chosen,
    worse: row.rejected,
    ...(orders === undefined ? {} : { givenOrder: givenOrder(orders[index]?.is_shuffled) }),
  }));
  return { items, warnings: fileWarnings(file, items) };
}

function givenOrder(isShuffled: boolean | undefined): Order {
  return isShuffled === true ? 'worse-first' : 'better-first';
}

async function filesOf(root: string): Promise<{ readonly data: string; readonly orders?: string }> {
  if (!existsSync(root) || !(await stat(root)).isDirectory()) return { data: root };
  const names = await readdir(root);
  const inData = names.includes('data')
    ? (await readdir(path.join(root, 'data'))).map((name) => `data/${name}`)
    : [];
  const found = [...names, ...inData].filter((name) => /^filtered.*\.parquet$/.test(path.basename(name)));
  const [name, ...others] = found;
  if (name === undefined || others.length > 0)
    throw new InvalidBenchmarkFile(
      `${root}: contains ${found.length === 0 ? 'no' : found.length} files filtered*.parquet; expected one, here or in data`,
    );
  const orders = path.join(root, ORDER_FILE);
  return { data: path.join(root, name), ...(existsSync(orders) ? { orders } : {}) };
}

function fileWarnings(file: string, pairs: BenchmarkPair[]): string[] {
  const subsets = new Set(pairs.map((pair) => pair.subset));
  const unknown = [...subsets].filter((subset) => sectionOf(subset) === undefined).sort();
  if (unknown.length === subsets.size) return [];
  const warnings = rowCountWarnings(file, pairs.length, 'RewardBench', { filtered: REWARD_BENCH_ROWS });
  if (unknown.length > 0) {
    warnings.push(
      `${file}: these subsets are not RewardBench's and don't count in the official total: ${unknown.join(', ')}.`,
    );
  }
  return warnings;
}
