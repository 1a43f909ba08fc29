import { type Html, html } from './html.ts';

export interface Column<Row> {
  title: string;
  cell: (row: Row) => Html | string | undefined;
  /** Numbers stand right-aligned under each other; text on the left. */
  kind: 'text' | 'number';
}

/** A table that scrolls sideways on its own where the page is narrow; columns without a single value are left out. */
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
