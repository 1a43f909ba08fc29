import { formatCount, formatTime, judgeName } from '../figure-text.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportTraining } from '../report-data.ts';
import { table } from './table.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { formatDuration } from '../../platform/format-duration.ts';

export function warningsSection(data: ReportData): Html | undefined {
  if (data.warnings.length === 0) return undefined;
  return html`<section class="warnings">
    <h2>Warnings</h2>
    <ul>
      ${data.warnings.map((warning) => html`<li>${warning}</li>`)}
    </ul>
  </section>`;
}

/** Renders what the run waits for, then its long waits that are over; undefined if there are none. */
export function waitsSection({ waits = [], status }: ReportData): Html | undefined {
  if (waits.length === 0) return undefined;
  type Row = (typeof waits)[number];
  const isOpen = ({ until }: Row) => until === undefined && (status === 'running' || status === 'paused');
  const duration = ({ since, until }: Row) =>
    until === undefined ? undefined : formatDuration((Date.parse(until) - Date.parse(since)) / 1000);
  return html`<section${waits.some(isOpen) && html` class="warnings"`}>
    <h2>Waits</h2>
    ${table<Row>(
      [
        { title: 'Stage', kind: 'text', cell: ({ stage, iteration }) => `${stage}, iteration ${iteration}` },
        { title: 'Since', kind: 'text', cell: ({ since }) => formatTime(since) },
        {
          title: 'Duration',
          kind: 'text',
          cell: (row) => duration(row) ?? (isOpen(row) ? 'waits now' : 'until its end'),
        },
        { title: 'Reason', kind: 'text', cell: ({ reason }) => reason },
      ],
      [...waits.filter(isOpen), ...waits.filter((row) => !isOpen(row))],
    )}
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
        number('Steps', ({ steps }) => formatCount(steps)),
        number('Mean loss', ({ meanLoss }) => meanLoss.toPrecision(3)),
        number('Final loss', ({ finalLoss }) => finalLoss.toPrecision(3)),
        number('Reward', ({ rewards }) => firstToLast(rewards?.map(({ reward }) => reward))),
        number('Without variance', ({ rewards }) =>
          firstToLast(rewards?.map(({ zeroVarianceShare }) => zeroVarianceShare)),
        ),
        number('Time in steps', ({ seconds }) => formatDuration(seconds)),
        number('Stalls', ({ stalls }) => (stalls === undefined ? undefined : formatCount(stalls))),
        number('Errors', ({ errors }) => (errors === undefined ? undefined : formatCount(errors))),
      ],
      rows,
    )}
    ${
      rows.some(({ training: { rewards } }) => rewards !== undefined) &&
      html`<p class="note">
        GRPO: the mean reward of the judgments that the training sampled in its first and its last step, and
        the share of their prompts whose judgments all had the same reward and taught nothing.
      </p>`
    }
    ${checkpointsTable(rows)}
  </section>`;
}

/** The first and the last of some shares. */
function firstToLast(shares: readonly number[] = []): string | undefined {
  const [first, last] = [shares[0], shares.at(-1)];
  return first === undefined || last === undefined
    ? undefined
    : `${formatPercent(first)} → ${formatPercent(last)}`;
}

/** The checkpoints of each training with their validation figures; undefined if no training chose among several. */
function checkpointsTable(
  trainings: readonly { readonly iteration: number; readonly training: ReportTraining }[],
): Html | undefined {
  const rows = trainings.flatMap(({ iteration, training: { checkpoints = [] } }) =>
    checkpoints.map((checkpoint) => ({ iteration, ...checkpoint })),
  );
  if (rows.length === 0) return undefined;
  type Row = (typeof rows)[number];
  return html`<h3>Checkpoints</h3>
    ${table<Row>(
      [
        { title: 'Judge', kind: 'text', cell: ({ iteration }) => judgeName(iteration) },
        { title: 'Step', kind: 'number', cell: ({ step }) => formatCount(step) },
        { title: 'Validation', kind: 'number', cell: ({ figure }) => formatPercent(figure) },
        { title: '', kind: 'text', cell: ({ chosen }) => (chosen ? 'chosen' : undefined) },
      ],
      rows,
      ({ chosen }) => chosen,
    )}
    <p class="note">
      Of each training the checkpoint with the best validation figure is the judge, and of several equal ones
      the earliest. The figure is the one that <code>modelSelection</code> names.
    </p>`;
}

export function skippedSection(data: ReportData): Html | undefined {
  if (data.skipped.length === 0) return undefined;
  return html`<section>
    <h2>Skipped records</h2>
    ${table<ReportData['skipped'][number]>(
      [
        { title: 'Stage', kind: 'text', cell: ({ stage }) => stage },
        { title: 'Reason', kind: 'text', cell: ({ reason }) => reason },
        { title: 'Count', kind: 'number', cell: (row) => formatCount(row.count) },
        {
          title: 'Example',
          kind: 'text',
          cell: ({ example }) =>
            example === undefined ? undefined : html`<span class="example">${example}</span>`,
        },
      ],
      data.skipped,
    )}
  </section>`;
}

/** The settings that are needed to repeat the run. */
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
          title: 'SHA-256',
          kind: 'text',
          cell: ({ sha256 }) =>
            sha256 === undefined ? undefined : html`<span class="hash">${sha256}</span>`,
        },
      ],
      data.models,
    )}
    <p class="note">All random choices depend on the seed ${data.seed}.</p>
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
