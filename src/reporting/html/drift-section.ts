import type { BenchmarkDrift } from '../../api/drift.ts';
import { isAlarm } from '../../api/drift-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { formatProbability } from '../../platform/format-probability.ts';
import { formatCount, formatPoints, formatPointsInterval } from '../figure-text.ts';
import type { ReportData } from '../report-data.ts';
import { type Html, html } from './html.ts';
import { table } from './table.ts';

const STATUS_TEXTS: Readonly<Record<BenchmarkDrift['status'], string>> = {
  none: 'no significant difference',
  worse: 'worse',
  better: 'better',
  'not-compared': 'not compared',
};

type Figure = NonNullable<BenchmarkDrift['accuracy']>;

/** Renders the comparison of an evaluation with earlier figures; undefined if none was asked for. */
export function driftSection({ drift }: ReportData): Html | undefined {
  if (drift === undefined) return undefined;
  const { comparedWith, significance, benchmarks } = drift;
  const figure = (title: string, of: (row: BenchmarkDrift) => Figure | undefined) => ({
    title,
    kind: 'number' as const,
    cell: (row: BenchmarkDrift) => figureCell(of(row)),
  });
  return html`<section>
    <h2>${comparedWith === undefined ? 'Earlier figures' : `Compared with ${comparedWith.runName}`}</h2>
    ${table<BenchmarkDrift>(
      [
        { title: 'Benchmark', kind: 'text', cell: ({ benchmark }) => benchmark },
        { title: 'Judge', kind: 'text', cell: ({ status }) => STATUS_TEXTS[status] },
        {
          title: 'Items',
          kind: 'number',
          cell: ({ items }) => (items === undefined ? undefined : formatCount(items)),
        },
        figure('Accuracy', ({ accuracy }) => accuracy),
        figure('Correct in both orders', ({ positionConsistentAccuracy }) => positionConsistentAccuracy),
        {
          title: 'p',
          kind: 'number',
          cell: ({ pValue }) =>
            pValue === undefined ? undefined : formatProbability(pValue).replace('= ', ''),
        },
        { title: 'Reason', kind: 'text', cell: ({ reason }) => reason },
      ],
      benchmarks,
      ({ status }) => isAlarm(status),
    )}
    ${
      comparedWith !== undefined &&
      html`<p class="note">
        The earlier judge is ${comparedWith.checkpoint}. Differences are in points with their 95% intervals.
        The test compares the items that are correct in both orders; it finds a difference by chance in
        ${formatPercent(significance)} of evaluations.
      </p>`
    }
  </section>`;
}

function figureCell(figure: Figure | undefined): Html | undefined {
  if (figure === undefined) return undefined;
  const { before, now, difference, interval } = figure;
  return html`${formatPercent(before)} → ${formatPercent(now)}
    <small>${formatPoints(difference)} (${formatPointsInterval(interval)})</small>`;
}
