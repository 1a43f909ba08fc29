import { count, percent } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportKinds } from './report-data.ts';
import { table } from './table.ts';

type Counts = Readonly<Record<string, number>>;

const KINDS = ['category', 'complexity'] as const;

/**
 * How the pool falls into what the LLM was asked about it, from the counts of the stages: `category: coding`,
 * `complexity: 3`, and `selected category: coding` of those that were selected. Categories by size, complexity in order.
 */
export function kindsOf(categorized: Counts | undefined, selected: Counts | undefined): ReportKinds[] {
  return KINDS.flatMap((kind) => {
    const prefix = `${kind}: `;
    const rows = Object.entries(categorized ?? {})
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, instructions]) => ({
        name: name.slice(prefix.length),
        instructions,
        selected: selected?.[`selected ${name}`] ?? 0,
      }));
    if (rows.length === 0) return [];
    if (kind === 'category') rows.sort((a, b) => b.instructions - a.instructions);
    return [{ kind, rows }];
  });
}

/** The categories and the complexity of the pool's instructions, and how many of each were selected. */
export function kindsSection(data: ReportData): Html | undefined {
  if (data.kinds === undefined || data.kinds.length === 0) return undefined;
  return html`<section>
    <h2>What the instructions are</h2>
    ${data.kinds.map(kindTable)}
    <p class="note">
      As the generator answered; "none" where its answer named nothing. Only instructions of the kept
      categories are asked for their complexity.
    </p>
  </section>`;
}

function kindTable({ kind, rows }: ReportKinds): Html {
  const total = rows.reduce((sum, { instructions }) => sum + instructions, 0);
  const share = (value: number) => (total === 0 ? 0 : value / total);
  return table<ReportKinds['rows'][number]>(
    [
      { title: kind === 'category' ? 'Category' : 'Complexity', kind: 'text', cell: ({ name }) => name },
      { title: 'Instructions', kind: 'number', cell: ({ instructions }) => count(instructions) },
      { title: 'Share', kind: 'number', cell: ({ instructions }) => percent(share(instructions)) },
      {
        title: '',
        kind: 'text',
        cell: ({ instructions }) =>
          html`<i class="bar series-1" style="width:${(share(instructions) * 160).toFixed(0)}px"></i>`,
      },
      { title: 'Selected', kind: 'number', cell: ({ selected }) => count(selected) },
    ],
    rows,
    ({ selected }) => selected > 0,
  );
}
