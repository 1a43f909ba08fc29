import { count, duration, judgeName, percent } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportFunnel, ReportIteration } from './report-data.ts';
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

/** From instructions to training examples, iteration by iteration. */
export function funnelSection(data: ReportData): Html | undefined {
  const rows = data.iterations.flatMap(({ iteration, funnel }) => (funnel ? [{ iteration, funnel }] : []));
  if (rows.length === 0) return undefined;
  const column = (title: string, figure: (funnel: ReportFunnel) => Html | string) => ({
    title,
    kind: 'number' as const,
    cell: ({ funnel }: { funnel: ReportFunnel }) => figure(funnel),
  });
  const withShare = (value: number, of: number) =>
    html`${count(value)} ${of > 0 && html`<small>${percent(value / of)}</small>`}`;
  return html`<section>
    <h2>From instructions to training examples</h2>
    ${table(
      [
        {
          title: 'Trains',
          kind: 'text' as const,
          cell: ({ iteration }: { iteration: number }) => judgeName(iteration),
        },
        column('Instructions', ({ instructions }) => count(instructions)),
        column('Selected', ({ selected, instructions }) => withShare(selected, instructions)),
        column('Pairs', ({ pairs }) => count(pairs)),
        column('Judgments', ({ judgments }) => count(judgments)),
        column('Right', ({ right, judgments }) => withShare(right, judgments)),
        column('Examples kept', ({ kept, pairs }) => withShare(kept, 2 * pairs)),
        column('After balance', ({ balanced, kept }) => withShare(balanced, kept)),
      ],
      rows,
    )}
    <p class="note">
      An example is a pair in one order, so there are two for each pair. Of its judgments one that reaches the
      right verdict is kept; then as many examples answer A as B.
    </p>
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
