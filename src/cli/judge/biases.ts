/** The command `biases`: measures what else than quality the verdicts on a file of pairs follow. */
import Table from 'cli-table3';
import { type BiasFigure, biasFigures, type BiasName } from '../../benchmarks/biases.ts';
import { majorityLabel } from '../../benchmarks/judge-agreement.ts';
import { formatDifference } from '../../platform/format-percent.ts';
import { formatCount } from '../../reporting/figure-text.ts';
import { CommandError } from '../core/command-error.ts';
import { printResult } from '../core/output.ts';
import { type JudgedFiles, type KnownPair, readJudgedPairs } from './read-judged-pairs.ts';

export interface BiasesOptions extends JudgedFiles {
  readonly pairs: string;
  readonly lengthLimit: number;
  readonly family?: string | undefined;
  readonly json: boolean;
}

/** @throws CommandError */
export async function biases({ lengthLimit, family, json, ...files }: BiasesOptions): Promise<void> {
  if (!(lengthLimit >= 1))
    throw new CommandError('usage', `--length-limit is ${lengthLimit}, but must be a number of 1 or more.`);
  const known = await readJudgedPairs(files);
  const pairs = known.flatMap(judgedResponses);
  const figures = biasFigures(pairs, { lengthLimit, family });
  const labelled = pairs.filter(({ better }) => better !== undefined).length;
  const notMeasured = Object.entries(reasons(lengthLimit, family)).flatMap(([bias, reason]) =>
    figures.some((figure) => figure.bias === bias) ? [] : [{ bias, reason }],
  );
  const questions = new Set(pairs.map(({ cluster }) => cluster)).size;
  const result = { pairs: pairs.length, labelled, questions, biases: figures, notMeasured };
  printResult(json, result, () =>
    [
      `${formatCount(pairs.length)} pairs of ${formatCount(questions)} questions, ${formatCount(labelled)} with a better response by label.`,
      ...(figures.length === 0 ? [] : [biasTable(figures)]),
      'A bias is the difference of two shares that are equal without it, in percentage points, with its 95% interval.',
      ...figures.map(({ bias, meaning }) => `${bias}: ${meaning}`),
      ...notMeasured.map(({ bias, reason }) => `${bias}: not measured. ${reason}`),
    ].join('\n\n'),
  );
}

function judgedResponses({ verdict, details, labels }: KnownPair) {
  if (details === undefined) return [];
  const label = majorityLabel(Object.values(labels));
  const { cluster, words, models } = details;
  return [{ cluster, better: label === 'tie' ? undefined : label, words, models, orders: verdict.orders }];
}

/** Why a bias may not be measured, and what to do. */
function reasons(lengthLimit: number, family: string | undefined): Record<BiasName, string> {
  return {
    position:
      'No pair has a verdict for a response in both orders, and one order without labels shows no bias: judge with --both-orders.',
    length: 'No pair has a longer response, or with labels the longer one is always or never better.',
    'similar length': `No pair has responses of different but similar length, of which one has at most ${lengthLimit} times the words of the other (--length-limit sets this), or with labels the longer one is always or never better.`,
    'own family':
      family === undefined
        ? "--family gives a text that the names of the models of the judge's family contain; the pairs name the models in modelA and modelB, or chosen_model and rejected_model."
        : `No pair has exactly one response by a model whose name contains ${JSON.stringify(family)}: the pairs name the models in modelA and modelB, or chosen_model and rejected_model.`,
    verbosity:
      'All judgments have the same number of words, or without labels no pair is judged in both orders.',
  };
}

function biasTable(figures: readonly BiasFigure[]): string {
  const table = new Table({
    head: ['bias', 'judgments', 'difference'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const figure of figures)
    table.push([
      figure.bias,
      figure.groups.map(({ judgments }) => formatCount(judgments)).join(', '),
      formatDifference(figure),
    ]);
  return table.toString();
}
