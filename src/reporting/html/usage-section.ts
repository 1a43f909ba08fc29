import { formatUsd } from '../../platform/format-usd.ts';
import { formatCount, judgeName } from '../figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { type Html, html } from './html.ts';
import type { ReportData, StageUsage } from '../report-data.ts';
import { table } from './table.ts';
import { formatDuration } from '../../platform/format-duration.ts';

interface Row extends StageUsage {
  /** The judge that the stage led to; undefined for the sum. */
  readonly judge: string | undefined;
}

/** The requests, tokens, time and cost of each stage of each iteration. */
export function usageSection(data: ReportData): Html | undefined {
  const rows = data.iterations.flatMap(({ iteration, usage = [] }) =>
    usage.map((stage): Row => ({ ...stage, judge: judgeName(iteration) })),
  );
  if (rows.length === 0) return undefined;
  const all = sumOf(rows);
  const share = ({ seconds }: Row) => (seconds === undefined || !all.seconds ? 0 : seconds / all.seconds);
  return html`<section>
    <h2>${all.usd === undefined ? 'Requests, tokens and time' : 'Requests, tokens, time and cost'}</h2>
    ${table<Row>(
      [
        { title: 'Judge', kind: 'text', cell: ({ judge }) => judge ?? 'Total' },
        { title: 'Stage', kind: 'text', cell: ({ stage }) => stage },
        {
          title: 'Requests',
          kind: 'number',
          cell: ({ requests }) => (requests === undefined ? undefined : formatCount(requests)),
        },
        {
          title: 'Prompt tokens',
          kind: 'number',
          cell: ({ tokens }) => tokens && formatCount(tokens.prompt),
        },
        {
          title: 'Generated tokens',
          kind: 'number',
          cell: ({ tokens }) => tokens && formatCount(tokens.completion),
        },
        {
          title: 'Time',
          kind: 'number',
          cell: ({ seconds }) => (seconds === undefined ? undefined : formatDuration(seconds)),
        },
        {
          title: 'Share',
          kind: 'number',
          cell: (row) => (row.judge === undefined ? undefined : formatPercent(share(row))),
        },
        {
          title: '',
          kind: 'text',
          cell: (row) =>
            row.judge === undefined
              ? ''
              : html`<i class="bar series-1" style="width:${(share(row) * 160).toFixed(0)}px"></i>`,
        },
        {
          title: 'Cost',
          kind: 'number',
          cell: ({ usd }) => (usd === undefined ? undefined : formatUsd(usd)),
        },
      ],
      [...rows, all],
      ({ judge }) => judge === undefined,
    )}
    <p class="note">
      The stages of ${judgeName(0)} run once for the whole run; those of a later judge produced it. Time is
      wall-clock time since the last start of the run, including waiting and pauses; Share is the share of the
      time of all stages.
      ${all.usd !== undefined && 'Costs are computed from "prices" in the configuration; a stage without requests to a model has none.'}
    </p>
  </section>`;
}

function sumOf(rows: readonly Row[]): Row {
  const sum = (figures: readonly (number | undefined)[]) => {
    const defined = figures.filter((figure) => figure !== undefined);
    return defined.length === 0 ? undefined : defined.reduce((total, figure) => total + figure, 0);
  };
  const prompt = sum(rows.map(({ tokens }) => tokens?.prompt));
  const completion = sum(rows.map(({ tokens }) => tokens?.completion));
  return {
    judge: undefined,
    stage: '',
    requests: sum(rows.map(({ requests }) => requests)),
    tokens: prompt === undefined || completion === undefined ? undefined : { prompt, completion },
    seconds: sum(rows.map(({ seconds }) => seconds)),
    usd: sum(rows.map(({ usd }) => usd)),
  };
}
