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
import type { Verdict } from '../src/method/verdict.ts';
import type { JudgedPair } from '../src/pair-judging/judged-pair.ts';
import { formatPercent } from '../src/platform/format-percent.ts';

const THRESHOLDS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/** The answers about a pair in both orders, directly or with reasons. */
interface Answers {
  readonly correct: readonly boolean[];
  readonly tokens: number;
}

interface Pair {
  /** Null if the orders name different responses, or one names none. */
  readonly probability: number | null;
  readonly direct: Answers;
  readonly reasoned: Answers;
}

const { positionals } = parseArgs({ allowPositionals: true });
const [file] = positionals;
if (file === undefined) throw new Error('Name a file of verdicts: npm run bench:direct -- VERDICTS.jsonl');
const pairs: Pair[] = [];
for await (const line of readLines(file)) {
  const { label, direct, tokens, orders, row } = JSON.parse(line) as JudgedPair;
  if (direct === undefined || label === undefined || tokens === undefined)
    throw new Error(
      `${file}: row ${row} has no label or no direct verdict; judge pairs with labels, with --direct`,
    );
  const { verdicts, probability, decided } = direct;
  if ((decided && probability !== 1) || orders.length !== 2)
    throw new Error(
      `${file}: row ${row} has no reasoned verdicts in both orders; judge with --threshold 1 --both-orders`,
    );
  const correct = (found: readonly Verdict[]) => found.map((verdict) => verdict === label);
  pairs.push({
    probability,
    direct: { correct: correct(verdicts), tokens: direct.tokens },
    reasoned: {
      correct: correct(orders.map(({ verdict }) => verdict)),
      // A pair of which the judge is certain has no reasoned verdict.
      tokens: tokens.completion - (decided ? 0 : direct.tokens),
    },
  });
}

const table = new Table({
  head: [
    'threshold',
    'answered directly',
    'of them right in both orders',
    'accuracy',
    'in both orders',
    'tokens for each verdict',
  ],
  colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
  style: { head: [], border: [] },
});
const mean = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
const share = (answers: readonly Answers[], isRight: (correct: readonly boolean[]) => number) =>
  answers.length === 0 ? '–' : formatPercent(mean(answers.map(({ correct }) => isRight(correct))));
const inBoth = (correct: readonly boolean[]) => Number(correct.every(Boolean));
const figures = (answers: readonly Answers[]) => [
  share(answers, (correct) => mean(correct.map(Number))),
  share(answers, inBoth),
  // Both orders have a verdict.
  mean(answers.map(({ tokens }) => tokens / 2)).toFixed(1),
];
table.push(['direct alone', '', '', ...figures(pairs.map(({ direct }) => direct))]);
for (const threshold of THRESHOLDS) {
  const isSure = ({ probability }: Pair) => probability !== null && probability >= threshold;
  const sure = pairs.filter(isSure).map(({ direct }) => direct);
  const answers = pairs.map((pair): Answers => {
    const { direct, reasoned } = pair;
    return isSure(pair) ? direct : { ...reasoned, tokens: direct.tokens + reasoned.tokens };
  });
  const answered = formatPercent(sure.length / pairs.length);
  table.push([String(threshold), answered, share(sure, inBoth), ...figures(answers)]);
}
table.push(['reasons alone', '', '', ...figures(pairs.map(({ reasoned }) => reasoned))]);
console.log(table.toString());
