import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import {
  type BenchmarkFile,
  InvalidBenchmarkFile,
  type BenchmarkPair,
  type OfficialFigure,
} from './benchmark.ts';
import type { PairResult, ParsedVerdict } from './judged-pairs.ts';
import { type PairBenchmark, pairBenchmark } from './pair-benchmark.ts';
import { orderAgreement, pairFigures } from './pair-figures.ts';
import { readBenchmarkRows, rowCountWarnings } from './read-benchmark.ts';
import { meanOrNull } from './strict-scores.ts';
import { firstLetterVerdict } from './votes.ts';

/** The official splits with their groups and numbers of rows, 1,483 in total. Official names end with `_pairwise`. */
const splits: Record<string, { group: 'math' | 'multihop' | 'everyday' | 'domain'; rows: number }> = {
  aime: { group: 'math', rows: 23 },
  aime_4o: { group: 'math', rows: 15 },
  arc_challenge: { group: 'multihop', rows: 60 },
  bbeh_be: { group: 'multihop', rows: 161 },
  bbeh_cu: { group: 'everyday', rows: 89 },
  bbeh_dq: { group: 'everyday', rows: 68 },
  bbeh_hyper: { group: 'everyday', rows: 114 },
  bbeh_ma: { group: 'math', rows: 38 },
  folio: { group: 'multihop', rows: 88 },
  olympiadbench: { group: 'math', rows: 184 },
  reclor: { group: 'multihop', rows: 289 },
  strategy_qa: { group: 'everyday', rows: 54 },
  supergpqa: { group: 'domain', rows: 300 },
};

const common = {
  read: readReasoningJudgeBench,
  sectionOf: (split) => splits[split]?.group,
  official: (judged, seed) => ({ figures: reasoningFigures(judged), decimals: 2, seed }),
  officialVote: 'absolute majority',
} satisfies Partial<PairBenchmark<{ figures: OfficialFigure[]; seed: number }>>;

/** ReasoningJudgeBench (arXiv 2505.13346) with a prompt like its default one, which asks for an explanation and then `Verdict: [[A>B]]` or `[[B>A]]`. */
export const reasoningJudgeBench = pairBenchmark({
  name: 'reasoning-judge-bench',
  promptFolder: 'prompts/reasoning-judge-bench',
  officialVerdict: lastVerdict,
  strictVerdict: onlyLabel,
  ...common,
});

/**
 * The same pairs with the configuration's own pairwise prompt and its letters, as in the published script for the
 * self-taught evaluator.
 */
export const reasoningJudgeBenchPairwise = pairBenchmark({
  name: 'reasoning-judge-bench-pairwise',
  officialVerdict: firstLetterVerdict,
  ...common,
});

/** The published parser: exactly one of the two labels follows the last `Verdict:`, or occurs in a text without it. */
function lastVerdict(text: string): ParsedVerdict {
  return onlyLabel(text.split('Verdict:').at(-1) ?? '');
}

/** The strict rule: exactly one of the two labels occurs in the text. */
function onlyLabel(text: string): ParsedVerdict {
  const [a, b] = [text.includes('[[A>B]]'), text.includes('[[B>A]]')];
  if (a === b) return undefined;
  return a ? 'A' : 'B';
}

/**
 * The published scores (aggregate.py): a pair is correct if both orders are. It is consistent if both orders name the same
 * response, or neither names one. The scores are means over all pairs, and over the pairs of each group.
 */
function reasoningFigures(judged: readonly PairResult[]): OfficialFigure[] {
  const both = (pairs: readonly PairResult[]) => pairFigures(pairs, 'official')[1].value;
  const consistency = (pairs: readonly PairResult[]) =>
    meanOrNull(pairs.map((pair) => Number(orderAgreement(pair) !== 'different')));
  const ofGroups = Map.groupBy(judged, ({ pair }) => splits[pair.subset]?.group);
  const groups = [...new Set(Object.values(splits).map(({ group }) => group))].flatMap((group) => {
    const pairs = ofGroups.get(group) ?? [];
    if (pairs.length === 0) return [];
    return [
      { name: `${group}, correct in both orders`, value: both(pairs) },
      { name: `${group}, consistency`, value: consistency(pairs) },
    ];
  });
  return [
    { name: 'overall, correct in both orders', value: both(judged) },
    { name: 'overall, consistency', value: consistency(judged) },
    ...groups,
  ];
}

const rowSchema = z.object({
  instruction: z.string().min(1),
  positive_response: z.string(),
  negative_response: z.string(),
});

/** Reads the folder of the data set (or its `data`), or the file of one split. A split has the name of its file. */
async function readReasoningJudgeBench(location: string): Promise<BenchmarkFile<BenchmarkPair>> {
  const root = path.resolve(location);
  const isFolder = existsSync(root) && (await stat(root)).isDirectory();
  const names = isFolder ? await readdir(root, { recursive: true }) : [''];
  const files = names
    .map((name) => ({ file: path.join(root, name), split: splitOf(name === '' ? root : name) }))
    .filter(({ split, file }) => !isFolder || (split in splits && /\.(parquet|jsonl?)(\.gz)?$/.test(file)))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
  if (files.length === 0)
    throw new InvalidBenchmarkFile(
      `${root}: contains no file of a split of ReasoningJudgeBench, such as aime_pairwise-00000-of-00001.parquet`,
    );
  const items: BenchmarkPair[] = [];
  const warnings: string[] = [];
  for (const { file, split } of files) {
    const { rows } = await readBenchmarkRows(file, rowSchema, 'ReasoningJudgeBench has 1483 in 13 splits');
    const first = items.filter(({ subset }) => subset === split).length;
    rows.forEach(({ instruction, positive_response: better, negative_response: worse }, row) =>
      items.push({
        id: `${split}-${String(first + row).padStart(4, '0')}`,
        subset: split,
        instruction,
        better,
        worse,
      }),
    );
    const official = splits[split];
    if (official === undefined) {
      warnings.push(
        `${file}: ReasoningJudgeBench has no split ${JSON.stringify(split)}; its splits are ${Object.keys(splits).join(', ')}, each with or without _pairwise.`,
      );
    }
  }
  for (const [split, { rows }] of Object.entries(splits)) {
    const found = items.filter(({ subset }) => subset === split).length;
    if (found > 0) warnings.push(...rowCountWarnings(root, found, 'ReasoningJudgeBench', { [split]: rows }));
  }
  const missing = Object.keys(splits).filter((split) => files.every((file) => file.split !== split));
  if (isFolder && missing.length > 0)
    warnings.push(`${root}: these splits are missing: ${missing.join(', ')}.`);
  return { items: items.sort((a, b) => (a.id < b.id ? -1 : 1)), warnings };
}

/** The split's name in a file's name: `aime` in `data/aime_pairwise-00000-of-00001.parquet`. */
function splitOf(file: string): string {
  return path
    .basename(file)
    .replace(/\..*$/, '')
    .replace(/-\d+-of-\d+$/, '')
    .replace(/_pairwise$/, '');
}
