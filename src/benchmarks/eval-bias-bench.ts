import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { BenchmarkFile, BenchmarkPair, OfficialFigure } from './benchmark.ts';
import type { PairResult, ParsedVerdict } from './judged-pairs.ts';
import { type PairBenchmark, pairBenchmark } from './pair-benchmark.ts';
import { orderAgreement, pairFigures } from './pair-figures.ts';
import { pythonStrip } from './python-text.ts';
import { requireItems, rowCountWarnings, throwIfProblems } from './read-benchmark.ts';
import { decodeFile } from '../platform/text-encoding.ts';
import { UnreadableFile } from '../datasets/rows/read-rows.ts';
import { meanOrNull } from './strict-scores.ts';
import { firstLetterVerdict } from './votes.ts';

/** The six biases by the names of their lists in the file, with their numbers of pairs: 80 in total. */
const biases: Record<string, number> = {
  'length bias': 17,
  concreteness: 14,
  'empty reference': 13,
  content_continuation: 12,
  nested_instruction: 12,
  'familiar knowledge preference bias': 12,
};

const common = {
  read: readEvalBiasBench,
  official: (judged, seed) => ({ figures: biasFigures(judged), seed }),
} satisfies Partial<PairBenchmark<{ figures: OfficialFigure[]; seed: number }>>;

/** EvalBiasBench (arXiv 2407.06551) with a prompt like that of its scripts, which asks for only `Output (a)` or `Output (b)`. */
export const evalBiasBench = pairBenchmark({
  name: 'eval-bias-bench',
  promptFolder: 'prompts/eval-bias-bench',
  officialVerdict: firstOutput,
  strictVerdict: oneOutput,
  ...common,
});

/** The same pairs with the configuration's own pairwise prompt and its letters. */
export const evalBiasBenchPairwise = pairBenchmark({
  name: 'eval-bias-bench-pairwise',
  officialVerdict: firstLetterVerdict,
  ...common,
});

/** The published parser, which checks (a) first, on the text without white space around it. */
function firstOutput(text: string): ParsedVerdict {
  const stripped = pythonStrip(text);
  if (names(stripped, 'a')) return 'A';
  return names(stripped, 'b') ? 'B' : undefined;
}

/** Returns whether a line begins with the output's name, as the published parser checks it. */
function names(text: string, output: 'a' | 'b'): boolean {
  return (output === 'a' ? /(?:^|\n) ?Output \(a\)/ : /(?:^|\n) ?Output \(b\)/).test(text);
}

/** The strict rule: a line begins with one output's name, and none with the other's. */
function oneOutput(text: string): ParsedVerdict {
  const stripped = pythonStrip(text);
  const [a, b] = [names(stripped, 'a'), names(stripped, 'b')];
  if (a === b) return undefined;
  return a ? 'A' : 'B';
}

/**
 * The published scores, over all pairs and for each bias: accuracy over both orders, the share of pairs that are correct in
 * both, and agreement (both orders name the same response). A missing verdict is incorrect and never agrees.
 */
function biasFigures(judged: readonly PairResult[]): OfficialFigure[] {
  const ofBiases = Object.keys(biases).flatMap((bias) => {
    const pairs = judged.filter(({ pair }) => pair.subset === bias);
    if (pairs.length === 0) return [];
    return [{ bias, figures: pairFigures(pairs, 'official') }];
  });
  const agreement = judged.map((pair) => Number(orderAgreement(pair) === 'response'));
  return [
    ...pairFigures(judged, 'official'),
    { name: 'agreement of both orders', value: meanOrNull(agreement) },
    {
      name: 'correct in both orders, mean of the biases',
      value: meanOrNull(ofBiases.map(({ figures: [, both] }) => both.value ?? 0)),
    },
    ...ofBiases.flatMap(({ bias, figures }) =>
      figures.map(({ name, value }) => ({ name: `${bias}: ${name}`, value })),
    ),
  ];
}

const rowSchema = z.object({
  instruction: z.string().min(1),
  response1: z.string(),
  response2: z.string(),
  label: z.union([z.literal(1), z.literal(2), z.literal('1'), z.literal('2')]).transform(Number),
});

/** Reads `biasbench.json`, an object with a list of rows for each bias. */
async function readEvalBiasBench(location: string): Promise<BenchmarkFile<BenchmarkPair>> {
  const file = path.resolve(location);
  const lists = z.record(z.string(), z.array(z.unknown())).safeParse(await parsedFile(file));
  if (!lists.success)
    throw new UnreadableFile(
      file,
      `contains no object with a list for each bias; expected EvalBiasBench's biasbench.json`,
    );
  const items: BenchmarkPair[] = [];
  const problems: string[] = [];
  for (const [bias, rows] of Object.entries(lists.data)) {
    if (!(bias in biases)) {
      problems.push(
        `${JSON.stringify(bias)} is not a bias of EvalBiasBench; the biases are ${Object.keys(biases).join(', ')}`,
      );
      continue;
    }
    rows.forEach((value, row) => {
      const { data, error } = rowSchema.safeParse(value);
      if (data === undefined) {
        const issues = error.issues.map(
          ({ path: at, message }) => `${at.join('.') || 'the row'}: ${message}`,
        );
        problems.push(`${bias}, row ${row}: ${issues.join('; ')}`);
        return;
      }
      const { instruction, response1, response2, label } = data;
      const [better, worse] = label === 1 ? [response1, response2] : [response2, response1];
      const id = `${bias.replaceAll(' ', '_')}-${String(row).padStart(2, '0')}`;
      items.push({ id, subset: bias, instruction, better, worse });
    });
  }
  throwIfProblems(file, problems);
  const warnings = Object.entries(biases).flatMap(([bias, official]) =>
    rowCountWarnings(file, lists.data[bias]?.length ?? 0, 'EvalBiasBench', { [bias]: official }),
  );
  return { items: requireItems(file, items).sort((a, b) => (a.id < b.id ? -1 : 1)), warnings };
}

async function parsedFile(file: string): Promise<unknown> {
  try {
    return JSON.parse(decodeFile(await readFile(file)));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UnreadableFile(file, `can't be read as JSON: ${reason}`, { cause: error });
  }
}
