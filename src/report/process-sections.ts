import { count, duration, judgeName } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportIteration } from './report-data.ts';
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

/** Training, tokens and time. */
export function costSection(data: ReportData): Html | undefined {
  const rows = data.iterations.filter(
    ({ training, tokens, stageSeconds }) => training ?? tokens ?? stageSeconds,
  );
  if (rows.length === 0) return undefined;
  const stages = [...new Set(rows.flatMap(({ stageSeconds }) => Object.keys(stageSeconds ?? {})))];
  const number = (title: string, cell: (row: ReportIteration) => string | undefined) => ({
    title,
    kind: 'number' as const,
    cell,
  });
  return html`<section>
    <h2>Training, tokens and time</h2>
    ${table<ReportIteration>(
      [
        { title: 'Judge', kind: 'text', cell: ({ iteration }) => judgeName(iteration) },
        number('Steps', ({ training }) => training && count(training.steps)),
        number('Mean loss', ({ training }) => training?.meanLoss.toPrecision(3)),
        number('Final loss', ({ training }) => training?.finalLoss.toPrecision(3)),
        number('Prompt tokens', ({ tokens }) => tokens && count(tokens.prompt)),
        number('Generated tokens', ({ tokens }) => tokens && count(tokens.completion)),
        ...stages.map((stage) =>
          number(stage, ({ stageSeconds }) =>
            stageSeconds?.[stage] === undefined ? undefined : duration(stageSeconds[stage]),
          ),
        ),
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
    ${pairs([...data.models.map(({ role, model }): [string, string] => [role, model]), ['seed', String(data.seed)]])}
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
