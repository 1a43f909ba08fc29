import Table from 'cli-table3';
import type { Difference } from '../../src/artifacts/errors.ts';
import type { Interval } from '../../src/benchmarks/benchmark.ts';
import { count, percent } from '../../src/report/format.ts';
import { compareRuns, type RunComparison, type SharedBenchmark } from '../../src/runs/compare-runs.ts';
import { plainText } from '../follow/plain-text.ts';
import { judgeNamed } from './judge-named.ts';
import { storeAt } from './places.ts';
import { sayingItAll } from './saying-it-all.ts';

const LONGEST_VALUE = 48;

/** @throws CommandError where one of the two is not in the store */
export async function compare(options: {
  readonly first: string;
  readonly second: string;
  readonly store: string;
  readonly json: boolean;
}): Promise<void> {
  const store = storeAt(options.store);
  const first = await judgeNamed(store, options.first);
  const second = await judgeNamed(store, options.second);
  const comparison = await sayingItAll(() => compareRuns(store, first, second));
  console.log(options.json ? JSON.stringify(comparison) : comparisonText(comparison));
}

function comparisonText(comparison: RunComparison): string {
  const { configuration, benchmarks } = comparison;
  const [first, second] = [comparison.first, comparison.second].map(
    ({ runName, iteration }) => `${runName}@${iteration}`,
  ) as [string, string];
  const alone = [...onlyIn(first, comparison.onlyFirst), ...onlyIn(second, comparison.onlySecond)];
  return [
    `${first} and ${second}`,
    ...(configuration === undefined
      ? ['The configuration of one of them is not in the store: what differs is not known.']
      : [
          differences('Settings that decide what comes out', configuration.decides, first, second),
          differences('Settings of how it is carried out', configuration.carriedOut, first, second),
        ]),
    benchmarks.length === 0
      ? 'They share no benchmark.'
      : `${second} less ${first}, in points, with 95% intervals (paired bootstrap over items)\n${differenceTable(benchmarks, first, second)}`,
    ...benchmarks.flatMap((each) => remarks(each, first, second)),
    ...alone,
  ].join('\n\n');
}

function onlyIn(judge: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`${judge} alone was evaluated on ${names.join(', ')}.`];
}

function differences(title: string, found: readonly Difference[], first: string, second: string): string {
  if (found.length === 0) return `${title}: no difference.`;
  const table = new Table({ head: ['field', first, second], style: { head: [], border: [] } });
  for (const { field, was, is } of found) table.push([plainText(field), shortened(was), shortened(is)]);
  return `${title}\n${table.toString()}`;
}

function shortened(value: string): string {
  const text = plainText(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text;
}

function differenceTable(benchmarks: readonly SharedBenchmark[], first: string, second: string): string {
  const table = new Table({
    head: ['benchmark', 'items', first, second, 'accuracy', 'right in both orders', "McNemar's p"],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { first: mine, second: other, items, accuracy, comparison } of benchmarks)
    table.push([
      mine === other ? mine : `${mine} / ${other}`,
      count(items.common),
      percent(accuracy.first),
      percent(accuracy.second),
      comparison === undefined ? '–' : points(comparison.accuracy),
      comparison === undefined ? '–' : points(comparison.consistent),
      comparison === undefined ? '–' : comparison.mcNemar.p.toPrecision(2),
    ]);
  return table.toString();
}

/** What a reader of the difference must know: items that are left out, and another way of asking. */
function remarks(benchmark: SharedBenchmark, first: string, second: string): string[] {
  const { items, askedDifferently } = benchmark;
  const name = benchmark.first;
  const lone = [items.first, items.second].map((all) => all - items.common - items.changed);
  const leftOut = [
    ...(items.changed > 0 ? [`${count(items.changed)} whose content differs in the same row`] : []),
    ...(lone[0] ? [`${count(lone[0])} that only ${first} was asked about`] : []),
    ...(lone[1] ? [`${count(lone[1])} that only ${second} was asked about`] : []),
  ];
  return [
    ...(benchmark.first === benchmark.second
      ? []
      : [
          `${first} calls ${benchmark.first} what ${second} calls ${benchmark.second}: they were made from the same file.`,
        ]),
    ...(leftOut.length === 0
      ? []
      : [
          `${name}: ${count(items.common)} items are compared; left out are ${leftOut.join(', ')}. The two accuracies are over all items of each.`,
        ]),
    ...(askedDifferently.length === 0
      ? []
      : [
          `${name}: the judges were not asked in the same way, and a part of the difference may come from that: ` +
            `${askedDifferently.map(({ field, was, is }) => `${field} ${shortened(was)} / ${shortened(is)}`).join('; ')}.`,
        ]),
  ];
}

/** A difference of shares in points of a percent, with its sign and its interval. */
function points({ difference, interval }: { difference: number; interval: Interval }): string {
  const signed = (share: number) => `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)}`;
  return `${signed(difference)} (${signed(interval.low)} to ${signed(interval.high)})`;
}
