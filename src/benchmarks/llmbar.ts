import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { ORDERS } from '../method/examples.ts';
import type { BenchmarkFile, BenchmarkPair, OfficialFigure } from './benchmark.ts';
import type { PairResult, ParsedVerdict } from './judged-pairs.ts';
import { type PairBenchmark, pairBenchmark } from './pair-benchmark.ts';
import { orderAgreement, isOrderCorrect, pairFigures } from './pair-figures.ts';
import { pythonStrip } from './python-text.ts';
import { readBenchmarkRows, rowCountWarnings } from './read-benchmark.ts';
import { mean, meanOrNull } from './strict-scores.ts';
import { firstLetterVerdict } from './votes.ts';

/** The official sets with their numbers of rows, and their files in the repository's folder `Dataset/LLMBar`. */
const sets: Record<string, { rows: number; file: string }> = {
  Natural: { rows: 100, file: 'Natural/dataset.json' },
  Neighbor: { rows: 134, file: 'Adversarial/Neighbor/dataset.json' },
  GPTInst: { rows: 92, file: 'Adversarial/GPTInst/dataset.json' },
  GPTOut: { rows: 47, file: 'Adversarial/GPTOut/dataset.json' },
  Manual: { rows: 46, file: 'Adversarial/Manual/dataset.json' },
};

const common = {
  read: readLlmBar,
  sectionOf: (subset) => (subset === 'Natural' ? 'Natural' : 'Adversarial'),
  official: (judged, seed) => ({ figures: llmBarFigures(judged), seed }),
} satisfies Partial<PairBenchmark<{ figures: OfficialFigure[]; seed: number }>>;

/** LLMBar (arXiv 2310.07641) with a prompt that asks first for an explanation and then for `Output (a)` or `Output (b)`. */
export const llmBar = pairBenchmark({
  name: 'llmbar',
  promptFolder: 'prompts/llmbar',
  officialVerdict: chainOfThoughtVerdict,
  strictVerdict: oneOutput,
  ...common,
});

/** The same pairs with the configuration's own pairwise prompt and its letters. */
export const llmBarPairwise = pairBenchmark({
  name: 'llmbar-pairwise',
  officialVerdict: firstLetterVerdict,
  ...common,
});

/** The official chain-of-thought parser. Any character except a newline must follow the sentence. */
function chainOfThoughtVerdict(text: string): ParsedVerdict {
  const stripped = pythonStrip(text);
  if (/Output \(a\) is better[^\n]/.test(stripped)) return 'A';
  return /Output \(b\) is better[^\n]/.test(stripped) ? 'B' : undefined;
}

/** The strict rule: the text contains the sentence about one output, and not that about the other. */
function oneOutput(text: string): ParsedVerdict {
  const [a, b] = [text.includes('Output (a) is better'), text.includes('Output (b) is better')];
  if (a === b) return undefined;
  return a ? 'A' : 'B';
}

/**
 * The official scores. Accuracy is the mean over both orders; a missing verdict is incorrect. Agreement is the share of
 * pairs with the same winner in both orders; two missing verdicts agree too.
 */
function llmBarFigures(judged: readonly PairResult[]): OfficialFigure[] {
  const [accuracy, consistent] = pairFigures(judged, 'official');
  const agreement = judged.map((pair) => Number(orderAgreement(pair) !== 'different'));
  const ofSets = Object.keys(sets).flatMap((name) => {
    const rows = judged.filter(({ pair }) => pair.subset === name);
    if (rows.length === 0) return [];
    const right = rows.flatMap(({ orders }) =>
      ORDERS.map((order) => Number(isOrderCorrect(orders[order], 'official'))),
    );
    return [{ name, value: mean(right) }];
  });
  const adversarial = ofSets.filter(({ name }) => name !== 'Natural').map(({ value }) => value);
  return [
    accuracy,
    { name: 'agreement of both orders', value: meanOrNull(agreement) },
    consistent,
    { name: 'accuracy, mean of the adversarial sets', value: meanOrNull(adversarial) },
    ...ofSets.map(({ name, value }) => ({ name: `accuracy, ${name}`, value })),
  ];
}

const rowSchema = z.object({
  input: z.string().min(1),
  output_1: z.string(),
  output_2: z.string(),
  label: z.union([z.literal(1), z.literal(2)]),
});

/** Reads the repository's folder `Dataset/LLMBar`, or one `dataset.json`, whose folder has the name of the set. */
async function readLlmBar(location: string): Promise<BenchmarkFile<BenchmarkPair>> {
  const root = path.resolve(location);
  const files = Object.entries(sets).flatMap(([set, { file }]) => {
    const inFolder = path.join(root, file);
    return existsSync(inFolder) ? [{ set, file: inFolder }] : [];
  });
  if (files.length === 0) files.push({ set: path.basename(path.dirname(root)), file: root });
  const items: BenchmarkPair[] = [];
  const warnings: string[] = [];
  for (const { set, file } of files) {
    const { rows } = await readBenchmarkRows(file, rowSchema, 'LLMBar has 419 in five sets');
    rows.forEach(({ input, output_1, output_2, label }, row) =>
      items.push({
        id: `${set}-${String(row).padStart(3, '0')}`,
        subset: set,
        instruction: input,
        better: label === 1 ? output_1 : output_2,
        worse: label === 1 ? output_2 : output_1,
      }),
    );
    const official = sets[set];
    if (official === undefined) {
      warnings.push(
        `${file}: LLMBar has no set ${JSON.stringify(set)}; its sets are ${Object.keys(sets).join(', ')}.`,
      );
    } else {
      warnings.push(...rowCountWarnings(file, rows.length, 'LLMBar', { [set]: official.rows }));
    }
  }
  const missing = Object.keys(sets).filter(
    (set) => files.length > 1 && files.every((file) => file.set !== set),
  );
  if (missing.length > 0) warnings.push(`${root}: these sets are missing: ${missing.join(', ')}.`);
  return { items: items.sort((a, b) => (a.id < b.id ? -1 : 1)), warnings };
}
