import { formatDuration } from '../../platform/format-duration.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { summarizeMachine } from '../machine-summary.ts';
import type { ReportData } from '../report-data.ts';
import { type Html, html } from './html.ts';
import { table } from './table.ts';

/** Renders how long each machine was busy, and why it was idle; undefined if the run used none. */
export function machinesSection({ machines = [] }: ReportData): Html | undefined {
  const rows = machines.map(summarizeMachine).flatMap(({ machine, seconds, busySeconds, idle }) => {
    if (seconds === 0) return [];
    const parts = [
      { seconds: busySeconds, what: 'busy' },
      ...idle.map(({ reason, ...part }) => ({ ...part, what: `idle: ${reason}` })),
    ];
    return parts.map((part, index) => ({
      ...part,
      share: part.seconds / seconds,
      machine: index === 0 ? machine : '',
    }));
  });
  if (rows.length === 0) return undefined;
  type Row = (typeof rows)[number];
  return html`<section>
    <h2>Idle time of machines</h2>
    ${table<Row>(
      [
        { title: 'Machine', kind: 'text', cell: ({ machine }) => machine },
        { title: 'Time', kind: 'number', cell: ({ seconds }) => formatDuration(seconds) },
        { title: 'Share', kind: 'number', cell: ({ share }) => formatPercent(share) },
        { title: 'What it did', kind: 'text', cell: ({ what }) => what },
      ],
      rows,
    )}
    <p class="note">
      Busy: it trained, or a stage asked a model that it serves. Time is counted from the moment the run first
      needed the machine.
    </p>
  </section>`;
}
