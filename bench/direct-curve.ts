/**
 * `npm run bench:direct`: what a judge that answers directly where it is sure costs and how often it is right, by threshold. Reads
 * verdicts in which each pair has both a direct and a reasoned one:
 *
 *   npx self-taught-evaluator judge pairs.jsonl --model run:NAME/best --direct --threshold 1 --both-orders
 *   npm run bench:direct -- pairs.verdicts.jsonl
 */
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { readLines } from '../src/datasets/rows/read-rows.ts';
import type { JudgedPair } from '../src/pair-judging/judged-pair.ts';
import { formatPercent } from '../src/platform/format-percent.ts';

const THRESHOLDS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

interface Answered {
  readonly isCorrect: boolean;
  readonly tokens: number;
}

/** A pair as it is answered directly, and as it is answered with reasons after that. */
interface Pair {
  /** Null if the orders name different responses, or one names none. */
  readonly probability: number | null;
  readonly direct: Answered;
  readonly reasoned: Answered;
}

const { positionals } = parseArgs({ allowPositionals: true });
const [file] = positionals;
if (file === undefined) throw new Error('Name a file of verdicts: npm run bench:direct -- VERDICTS.jsonl');
const pairs: Pair[] = [];
for await (const line of readLines(file)) {
  const { label, direct, tokens, correct, row } = JSON.parse(line) as JudgedPair;
  if (direct === undefined || label === undefined || tokens === undefined)
    throw new Error(
      `${file}: row ${row} has no label or no direct verdict; judge pairs with labels, with --direct`,
    );
  const { verdicts, probability, decided } = direct;
  if (decided && probability !== 1)
    throw new Error(`${file}: row ${row} has no reasoned verdict; judge with --threshold 1`);
  pairs.push({
    probability,
    direct: { isCorrect: verdicts.every((verdict) => verdict === label), tokens: direct.tokens },
    // A pair of which the judge is certain has no reasoned verdict.
    reasoned: { isCorrect: correct === true, tokens: tokens.completion - (decided ? 0 : direct.tokens) },
  });
}

const table = new Table({
  head: ['threshold', 'answered directly', 'correct of them', 'correct of all', 'tokens for each pair'],
  colAligns: ['left', 'right', 'right', 'right', 'right'],
  style: { head: [], border: [] },
});
const share = (of: readonly Answered[]) =>
  of.length === 0 ? '–' : formatPercent(of.filter(({ isCorrect }) => isCorrect).length / of.length);
const mean = (tokens: readonly number[]) =>
  (tokens.reduce((sum, each) => sum + each, 0) / tokens.length).toFixed(1);
const all = (of: 'direct' | 'reasoned') => pairs.map((pair) => pair[of]);
const alone = (name: string, of: 'direct' | 'reasoned') =>
  table.push([name, '', '', share(all(of)), mean(all(of).map(({ tokens }) => tokens))]);
alone('direct alone', 'direct');
for (const threshold of THRESHOLDS) {
  const isSure = ({ probability }: Pair) => probability !== null && probability >= threshold;
  const sure = pairs.filter(isSure).map(({ direct }) => direct);
  const answered = pairs.map((pair): Answered => {
    const { direct, reasoned } = pair;
    return isSure(pair) ? direct : { ...reasoned, tokens: direct.tokens + reasoned.tokens };
  });
  table.push([
    String(threshold),
    formatPercent(sure.length / pairs.length),
    share(sure),
    share(answered),
    mean(answered.map(({ tokens }) => tokens)),
  ]);
}
alone('reasons alone', 'reasoned');
console.log(table.toString());
