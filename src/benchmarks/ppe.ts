import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { BenchmarkFile, BenchmarkPair, OfficialFigure } from './benchmark.ts';
import type { PairResult } from './judged-pairs.ts';
import { pairBenchmark } from './pair-benchmark.ts';
import { pairFigures } from './pair-figures.ts';
import {
  requireItems,
  nonZeroCounts,
  readBenchmarkRows,
  rowCountWarnings,
  rowIds,
  throwIfProblems,
} from './read-benchmark.ts';
import { meanOrNull } from './strict-scores.ts';
import { firstLetterVerdict } from './votes.ts';

const preferenceRow = z.object({
  winner: z.string().min(1),
  prompt: z.string().min(1),
  response_1: z.string(),
  response_2: z.string(),
  language: z.string().min(1),
});

/** PPE (arXiv 2410.14872), human preference: votes of Chatbot Arena without ties. The score is the accuracy. */
export const ppePreference = pairBenchmark({
  name: 'ppe-preference',
  officialVerdict: firstLetterVerdict,
  official: (judged, seed) => ({ figures: pairFigures(judged, 'official'), seed }),
  async read(location) {
    const { file, rows } = await readBenchmarkRows(location, preferenceRow, 'PPE preference has 16038');
    const idOf = rowIds(rows.length);
    const problems: string[] = [];
    const items = rows.flatMap((row, index): BenchmarkPair[] => {
      const { winner, prompt: instruction, response_1, response_2, language: subset } = row;
      if (winner.includes('tie')) return [];
      if (winner !== 'model_a' && winner !== 'model_b')
        problems.push(
          `row ${index}: winner: found ${JSON.stringify(winner)}; expected model_a, model_b or a tie`,
        );
      const [better, worse] = winner === 'model_a' ? [response_1, response_2] : [response_2, response_1];
      return [{ id: idOf(index), subset, instruction, better, worse }];
    });
    throwIfProblems(file, problems);
    const warnings = rowCountWarnings(file, rows.length, 'PPE preference', { test: 16_038 });
    return {
      items: requireItems(file, items),
      warnings,
      excluded: nonZeroCounts({ ties: rows.length - items.length }),
    };
  },
});

const RESPONSES = 32;
const correctnessRow = z.object({
  prompt: z.string().min(1),
  scores: z.array(z.union([z.number(), z.boolean()])).length(RESPONSES),
  sampled_conflict_pairs: z.array(z.tuple([index(), index()])),
  ...Object.fromEntries(Array.from({ length: RESPONSES }, (_, i) => [responseColumn(i), z.string()])),
});

/**
 * PPE, correctness: pairs of a correct and an incorrect answer among 32 answers to the same prompt, in five sets (MMLU-Pro,
 * MATH, GPQA, IFEval, MBPP-Plus). The total is the unweighted mean of the sets' accuracies.
 */
export const ppeCorrectness = pairBenchmark({
  name: 'ppe-correctness',
  read: readCorrectness,
  officialVerdict: firstLetterVerdict,
  official: (judged, seed) => ({ figures: correctnessFigures(judged), seed }),
});

function correctnessFigures(judged: readonly PairResult[]): OfficialFigure[] {
  const sets = [...Map.groupBy(judged, ({ pair }) => pair.subset)].sort(([a], [b]) => (a < b ? -1 : 1));
  const ofSets = sets.map(([name, pairs]) => ({
    name: `${name}, both orders`,
    value: pairFigures(pairs, 'official')[0].value,
  }));
  const total = meanOrNull(ofSets.map(({ value }) => value ?? 0));
  return [{ name: 'total, both orders', value: total }, ...ofSets];
}

/** Reads the file of one set, or a folder of them. A set has the name of its file, or of the subfolder with its file. */
async function readCorrectness(location: string): Promise<BenchmarkFile<BenchmarkPair>> {
  const root = path.resolve(location);
  const isFolder = existsSync(root) && (await stat(root)).isDirectory();
  const names = isFolder ? await readdir(root, { recursive: true }) : [];
  const files = names.filter((name) => name.endsWith('.parquet')).sort();
  const items: BenchmarkPair[] = [];
  let prompts = 0;
  let equal = 0;
  for (const name of files.length > 0 ? files : ['']) {
    const set = (name === '' ? path.basename(root) : (name.split(path.sep)[0] ?? '')).replace(/\.\w+$/, '');
    const found = await readBenchmarkRows(
      path.join(root, name),
      correctnessRow,
      'PPE correctness has 2555 prompts',
    );
    const idOf = rowIds(found.rows.length);
    prompts += found.rows.length;
    found.rows.forEach((row, index) =>
      row.sampled_conflict_pairs.forEach(([i, j], number) => {
        const [a, b] = [Number(row.scores[i]), Number(row.scores[j])];
        const [first, second] = [i, j].map(
          (each) => (row as Record<string, unknown>)[responseColumn(each)] as string,
        );
        if (a === b || first === undefined || second === undefined) {
          equal += 1;
          return;
        }
        items.push({
          id: `${set}-${idOf(index)}-${String(number).padStart(2, '0')}`,
          subset: set,
          instruction: row.prompt,
          better: a > b ? first : second,
          worse: a > b ? second : first,
        });
      }),
    );
  }
  return {
    items: requireItems(root, items).sort((a, b) => (a.id < b.id ? -1 : 1)),
    warnings: rowCountWarnings(root, prompts, 'PPE correctness', { 'prompts of five sets': 2555 }),
    excluded: nonZeroCounts({ 'pairs with equal scores': equal }),
  };
}

function index() {
  return z
    .int()
    .min(0)
    .max(RESPONSES - 1);
}

function responseColumn(response: number): string {
  return `response_${response + 1}`;
}
