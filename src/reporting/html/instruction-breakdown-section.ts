import { formatCount } from '../figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { type Html, html } from './html.ts';
import type { ReportData, InstructionBreakdown } from '../report-data.ts';
import { table } from './table.ts';

type Counts = Readonly<Record<string, number>>;

const KINDS = ['category', 'complexity'] as const;

/**
 * Groups the instructions by category and by complexity, using the stages' counts: `category: coding`, `complexity: 3`, and
 * `selected category: coding` for selected instructions. Categories are sorted by size, complexity in ascending order.
 */
export function instructionBreakdowns(
  categorized: Counts | undefined,
  selected: Counts | undefined,
): InstructionBreakdown[] {
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

/** The categories and the complexity of the instructions, and how many of each were selected. */
export function instructionBreakdownSection(data: ReportData): Html | undefined {
  if (data.instructionBreakdowns === undefined || data.instructionBreakdowns.length === 0) return undefined;
  return html`<section>
    <h2>Categories and complexity of the instructions</h2>
    ${data.instructionBreakdowns.map(kindTable)}
    <p class="note">
      According to the generator; "none" if its answer was not usable. Complexity is determined only for
      instructions of the kept categories.
    </p>
  </section>`;
}

function kindTable({ kind, rows }: InstructionBreakdown): Html {
  const total = rows.reduce((sum, { instructions }) => sum + instructions, 0);
  const share = (value: number) => (total === 0 ? 0 : value / total);
  return table<InstructionBreakdown['rows'][number]>(
    [
      { title: kind === 'category' ? 'Category' : 'Complexity', kind: 'text', cell: ({ name }) => name },
      { title: 'Instructions', kind: 'number', cell: ({ instructions }) => formatCount(instructions) },
      { title: 'Share', kind: 'number', cell: ({ instructions }) => formatPercent(share(instructions)) },
      {
        title: '',
        kind: 'text',
        cell: ({ instructions }) =>
          html`<i class="bar series-1" style="width:${(share(instructions) * 160).toFixed(0)}px"></i>`,
      },
      { title: 'Selected', kind: 'number', cell: ({ selected }) => formatCount(selected) },
    ],
    rows,
    ({ selected }) => selected > 0,
  );
}
