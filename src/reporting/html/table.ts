import { type Html, html } from './html.ts';

export interface Column<Row> {
  title: string;
  cell: (row: Row) => Html | string | undefined;
  /** Numbers are aligned right, text left. */
  kind: 'text' | 'number';
}

/** A table that scrolls horizontally on a narrow page. Columns without any value are left out. */
export function table<Row>(
  columns: Column<Row>[],
  rows: readonly Row[],
  marked?: (row: Row) => boolean,
): Html {
  const cells = columns.map((column) => rows.map((row) => column.cell(row)));
  const shown = columns.flatMap((column, i) =>
    cells[i]?.some((cell) => cell !== undefined) ? [{ column, i }] : [],
  );
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${shown.map(({ column }) => html`<th scope="col" class="${column.kind}">${column.title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, r) =>
            html`<tr ${marked?.(row) && html`class="marked"`}>
              ${shown.map(({ column, i }) => html`<td class="${column.kind}">${cells[i]?.[r] ?? '–'}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
