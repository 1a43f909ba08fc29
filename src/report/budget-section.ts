import { AMOUNTS, amountText } from '../format/amounts.ts';
import { percent, time } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData } from './report-data.ts';
import { table } from './table.ts';

/** What the run may spend and has spent, of those amounts that are limited; nothing for a run without a budget. */
export function budgetSection({ budget }: ReportData): Html | undefined {
  if (budget === undefined) return undefined;
  const { limits, spent, reached } = budget;
  const rows = AMOUNTS.flatMap((name) => {
    const limit = limits[name];
    return limit === undefined ? [] : [{ name, limit, spent: spent[name] }];
  });
  type Row = (typeof rows)[number];
  return html`<section>
    <h2>Budget</h2>
    ${reached !== undefined && html`<p><b>Paused</b> since ${time(reached.since)}: ${reached.reason}</p>`}
    ${table<Row>(
      [
        { title: 'Limit', kind: 'text', cell: ({ name, limit }) => amountText(name, limit) },
        { title: 'Spent', kind: 'number', cell: ({ name, spent: amount }) => amountText(name, amount) },
        { title: 'Share', kind: 'number', cell: ({ limit, spent: amount }) => percent(amount / limit) },
      ],
      rows,
    )}
    <p class="note">
      In all iterations and starts of the run, requests that were sent again and answers that were lost
      included; what was in flight when a limit was reached comes on top.
    </p>
  </section>`;
}
