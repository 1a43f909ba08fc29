import { count, dollars, duration, judgeName, percent } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData, StageUsage } from './report-data.ts';
import { table } from './table.ts';

interface Row extends StageUsage {
  /** Of the judge that it led to; undefined for the sum. */
  readonly judge: string | undefined;
}

/** What each stage of each iteration took. */
export function usageSection(data: ReportData): Html | undefined {
  const rows = data.iterations.flatMap(({ iteration, usage = [] }) =>
    usage.map((one): Row => ({ ...one, judge: judgeName(iteration) })),
  );
  if (rows.length === 0) return undefined;
  const all = sumOf(rows);
  const share = ({ seconds }: Row) => (seconds === undefined || !all.seconds ? 0 : seconds / all.seconds);
  return html`<section>
    <h2>${all.usd === undefined ? 'Requests, tokens and time' : 'Requests, tokens, time and cost'}</h2>
    ${table<Row>(
      [
        { title: 'Judge', kind: 'text', cell: ({ judge }) => judge ?? 'All' },
        { title: 'Stage', kind: 'text', cell: ({ stage }) => stage },
        {
          title: 'Requests',
          kind: 'number',
          cell: ({ requests }) => (requests === undefined ? undefined : count(requests)),
        },
        { title: 'Prompt tokens', kind: 'number', cell: ({ tokens }) => tokens && count(tokens.prompt) },
        {
          title: 'Generated tokens',
          kind: 'number',
          cell: ({ tokens }) => tokens && count(tokens.completion),
        },
        {
          title: 'Time',
          kind: 'number',
          cell: ({ seconds }) => (seconds === undefined ? undefined : duration(seconds)),
        },
        {
          title: 'Share',
          kind: 'number',
          cell: (row) => (row.judge === undefined ? undefined : percent(share(row))),
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
          cell: ({ usd }) => (usd === undefined ? undefined : dollars(usd)),
        },
      ],
      [...rows, all],
      ({ judge }) => judge === undefined,
    )}
    <p class="note">
      A row of ${judgeName(0)} was done once for the whole run; one of a later judge led to it. Time is as the
      clock went since the run was last started, waiting and pauses included; Share is its part of all stages’
      time.
      ${all.usd !== undefined && 'Costs follow from "prices" in the configuration; a stage that asks no model has none.'}
    </p>
  </section>`;
}

function sumOf(rows: readonly Row[]): Row {
  const sum = (figures: readonly (number | undefined)[]) => {
    const known = figures.filter((figure) => figure !== undefined);
    return known.length === 0 ? undefined : known.reduce((total, figure) => total + figure, 0);
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
