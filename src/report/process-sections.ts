import { count, duration, judgeName } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportTraining } from './report-data.ts';
import { table } from './table.ts';

export function warningsSection(data: ReportData): Html | undefined {
  if (data.warnings.length === 0) return undefined;
  return html`<section class="warnings">
    <h2>Warnings</h2>
    <ul>
      ${data.warnings.map((warning) => html`<li>${warning}</li>`)}
    </ul>
  </section>`;
}

export function trainingSection(data: ReportData): Html | undefined {
  const rows = data.iterations.flatMap(({ iteration, training }) =>
    training ? [{ iteration, training }] : [],
  );
  if (rows.length === 0) return undefined;
  type Row = (typeof rows)[number];
  const number = (title: string, cell: (training: ReportTraining) => string | undefined) => ({
    title,
    kind: 'number' as const,
    cell: ({ training }: Row) => cell(training),
  });
  return html`<section>
    <h2>Training</h2>
    ${table<Row>(
      [
        { title: 'Judge', kind: 'text', cell: ({ iteration }) => judgeName(iteration) },
        number('Steps', ({ steps }) => count(steps)),
        number('Mean loss', ({ meanLoss }) => meanLoss.toPrecision(3)),
        number('Final loss', ({ finalLoss }) => finalLoss.toPrecision(3)),
        number('Time in steps', ({ seconds }) => duration(seconds)),
        number('Stood still', ({ stalls }) => (stalls === undefined ? undefined : count(stalls))),
        number('Errors', ({ errors }) => (errors === undefined ? undefined : count(errors))),
      ],
      rows,
    )}
  </section>`;
}

export function setAsideSection(data: ReportData): Html | undefined {
  if (data.setAside.length === 0) return undefined;
  return html`<section>
    <h2>Set aside</h2>
    ${table<ReportData['setAside'][number]>(
      [
        { title: 'Stage', kind: 'text', cell: ({ stage }) => stage },
        { title: 'Reason', kind: 'text', cell: ({ reason }) => reason },
        { title: 'Count', kind: 'number', cell: (row) => count(row.count) },
        {
          title: 'Example',
          kind: 'text',
          cell: ({ example }) =>
            example === undefined ? undefined : html`<span class="example">${example}</span>`,
        },
      ],
      data.setAside,
    )}
  </section>`;
}

/** What would be needed to run it again. */
export function settingsSection(data: ReportData): Html {
  const pairs = (entries: [string, string][]) =>
    html`<dl>
      ${entries.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>`;
  return html`<section>
    <h2>Settings</h2>
    ${table<ReportData['models'][number]>(
      [
        { title: 'Model', kind: 'text', cell: ({ role }) => role },
        {
          title: 'Checkpoint',
          kind: 'text',
          cell: ({ model }) => html`<span class="example">${model}</span>`,
        },
        {
          title: 'SHA-256 of its content',
          kind: 'text',
          cell: ({ sha256 }) =>
            sha256 === undefined ? undefined : html`<span class="hash">${sha256}</span>`,
        },
      ],
      data.models,
    )}
    <p class="note">Every random choice follows from the seed ${data.seed}.</p>
    <details>
      <summary>Configuration</summary>
      <pre>${JSON.stringify(data.configuration ?? null, null, 2)}</pre>
    </details>
    ${
      Object.keys(data.versions).length > 0 &&
      html`<details>
        <summary>Versions</summary>
        ${pairs(Object.entries(data.versions))}
      </details>`
    }
  </section>`;
}
