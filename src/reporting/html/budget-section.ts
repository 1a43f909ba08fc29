import { BUDGET_UNITS, formatUsage } from '../../api/budget.ts';
import { formatTime } from '../figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { type Html, html } from './html.ts';
import type { ReportData } from '../report-data.ts';
import { table } from './table.ts';

/** The limits of the run's budget and its usage so far; undefined without a budget. */
export function budgetSection({ budget }: ReportData): Html | undefined {
  if (budget === undefined) return undefined;
  const { limits, usage: spent, exhausted: reached } = budget;
  const rows = BUDGET_UNITS.flatMap((name) => {
    const limit = limits[name];
    return limit === undefined ? [] : [{ name, limit, spent: spent[name] }];
  });
  type Row = (typeof rows)[number];
  return html`<section>
    <h2>Budget</h2>
    ${reached !== undefined && html`<p><b>Paused</b> since ${formatTime(reached.since)}: ${reached.reason}</p>`}
    ${table<Row>(
      [
        { title: 'Limit', kind: 'text', cell: ({ name, limit }) => formatUsage(name, limit) },
        { title: 'Used', kind: 'number', cell: ({ name, spent: amount }) => formatUsage(name, amount) },
        { title: 'Share', kind: 'number', cell: ({ limit, spent: amount }) => formatPercent(amount / limit) },
      ],
      rows,
    )}
    <p class="note">
      Usage of all iterations and starts of the run, including repeated requests and lost answers. Requests in
      flight when a limit was reached are added.
    </p>
  </section>`;
}
