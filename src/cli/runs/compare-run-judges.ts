import Table from 'cli-table3';
import type { FieldDifference } from '../../platform/field-differences.ts';
import { formatCount } from '../../reporting/figure-text.ts';
import { formatDifference, formatPercent } from '../../platform/format-percent.ts';
import { compareRuns, type RunComparison, type SharedBenchmark } from '../../runs/compare-runs.ts';
import { formatJudgeReference } from '../../runs/judge-reference.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { resolveEvaluatedJudge } from './evaluated-judge.ts';
import { openStore } from '../../store/artifact-store.ts';
import { asCommandError } from '../core/as-command-error.ts';
import { printResult } from '../core/output.ts';

const MAX_VALUE_LENGTH = 48;

/** @throws CommandError if one of the two is not in the store */
export async function compareRunJudges(options: {
  readonly first: string;
  readonly second: string;
  readonly store: string;
  readonly json: boolean;
}): Promise<void> {
  const store = openStore(options.store);
  const first = await resolveEvaluatedJudge(store, options.first);
  const second = await resolveEvaluatedJudge(store, options.second);
  const comparison = await asCommandError(() => compareRuns(store, first, second));
  printResult(options.json, comparison, () => comparisonText(comparison));
}

function comparisonText(comparison: RunComparison): string {
  const { configuration, benchmarks } = comparison;
  const [first, second] = [comparison.first, comparison.second].map(({ runName, iteration }) =>
    formatJudgeReference(runName, iteration),
  ) as [string, string];
  const notShared = [...onlyIn(first, comparison.onlyFirst), ...onlyIn(second, comparison.onlySecond)];
  return [
    `${first} and ${second}`,
    ...(configuration === undefined
      ? ['The configuration of one of them is not in the store, so the settings are not compared.']
      : [
          differences('Settings that affect the results', configuration.resultFields, first, second),
          differences(
            'Settings that do not affect the results',
            configuration.executionFields,
            first,
            second,
          ),
        ]),
    benchmarks.length === 0
      ? 'They share no benchmark.'
      : `${second} minus ${first}, in percentage points, with 95% intervals (paired bootstrap); p is of McNemar's exact test.\nIn both, items with the same prompt count as one.\n${differenceTable(benchmarks, first, second)}`,
    ...benchmarks.flatMap((each) => remarks(each, first, second)),
    ...notShared,
  ].join('\n\n');
}

function onlyIn(judge: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`Only ${judge} was evaluated on ${names.join(', ')}.`];
}

function differences(
  title: string,
  fields: readonly FieldDifference[],
  first: string,
  second: string,
): string {
  if (fields.length === 0) return `${title}: no difference.`;
  const table = new Table({ head: ['field', first, second], style: { head: [], border: [] } });
  for (const { field, before, after } of fields)
    table.push([oneLine(field), shortened(before), shortened(after)]);
  return `${title}\n${table.toString()}`;
}

function shortened(value: string): string {
  const text = oneLine(value);
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text;
}

function differenceTable(benchmarks: readonly SharedBenchmark[], first: string, second: string): string {
  const table = new Table({
    head: ['benchmark', 'items', first, second, 'accuracy', 'correct in both orders', 'p'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { first: firstName, second: secondName, items, accuracy, comparison } of benchmarks)
    table.push([
      firstName === secondName ? firstName : `${firstName} / ${secondName}`,
      formatCount(items.common),
      formatPercent(accuracy.first),
      formatPercent(accuracy.second),
      comparison === undefined ? '–' : formatDifference(comparison.accuracy),
      comparison === undefined ? '–' : formatDifference(comparison.consistent),
      comparison === undefined ? '–' : comparison.mcNemar.pValue.toPrecision(2),
    ]);
  return table.toString();
}

/** Remarks on a difference: items that are omitted, and evaluations that were configured differently. */
function remarks(benchmark: SharedBenchmark, first: string, second: string): string[] {
  const { items, evaluationDifferences } = benchmark;
  const name = benchmark.first;
  const unshared = [items.first, items.second].map((all) => all - items.common - items.changed);
  const omitted = [
    ...(items.changed > 0 ? [`${formatCount(items.changed)} whose content differs`] : []),
    ...(unshared[0] ? [`${formatCount(unshared[0])} that only ${first} has`] : []),
    ...(unshared[1] ? [`${formatCount(unshared[1])} that only ${second} has`] : []),
  ];
  return [
    ...(benchmark.first === benchmark.second
      ? []
      : [
          `${benchmark.first} of ${first} and ${benchmark.second} of ${second} were read from the same file.`,
        ]),
    ...(omitted.length === 0
      ? []
      : [
          `${name}: ${formatCount(items.common)} items are compared; omitted are ${omitted.join(', ')}. Each accuracy is over all items of its judge.`,
        ]),
    ...(evaluationDifferences.length === 0
      ? []
      : [
          `${name}: the judges were evaluated with different settings, which may cause a part of the difference: ` +
            `${evaluationDifferences.map(({ field, before, after }) => `${field} ${shortened(before)} / ${shortened(after)}`).join('; ')}.`,
        ]),
  ];
}
