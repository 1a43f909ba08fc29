import type { LayoutName } from './layout-names.ts';
import type { PoolLayout } from './layout.ts';
import { oasst } from './layouts/oasst.ts';
import { plain } from './layouts/plain.ts';
import { shareGpt } from './layouts/sharegpt.ts';
import { ultraFeedback } from './layouts/ultrafeedback.ts';
import { wildChat } from './layouts/wildchat.ts';

/** Every layout by its name in the configuration. */
const layouts = {
  wildchat: wildChat,
  ultrafeedback: ultraFeedback,
  sharegpt: shareGpt,
  oasst,
  plain,
} as const satisfies Record<LayoutName, PoolLayout>;

/** A file's columns fit no layout, or several, or not the one that is named. The message says which fits what. */
export class LayoutProblem extends Error {
  override readonly name = 'LayoutProblem';
}

/**
 * The layout of a file with these columns: the named one, or for `auto` the only one whose needed columns are all
 * there. Of two that fit where one needs the other's columns and more, it is the more demanding one.
 * @throws LayoutProblem
 */
export function layoutOf(name: LayoutName | 'auto', columns: readonly string[]): PoolLayout {
  const lacks = ({ needed }: PoolLayout) => needed.filter((column) => !columns.includes(column));
  if (name !== 'auto') {
    const missing = lacks(layouts[name]);
    if (missing.length === 0) return layouts[name];
    throw new LayoutProblem(
      `has no column ${quoted(missing)}, which the layout ${name} needs; its columns are ${quoted(columns)}`,
    );
  }
  const fitting = Object.values<PoolLayout>(layouts).filter((layout) => lacks(layout).length === 0);
  const chosen = fitting.filter(({ needed }) => !fitting.some((other) => needsMore(other.needed, needed)));
  const [only] = chosen;
  if (chosen.length > 1) {
    const names = chosen.map((layout) => `${layout.name} (${quoted(layout.needed)})`).join(' and ');
    throw new LayoutProblem(`fits the layouts ${names}: name one of them in instructions.layout`);
  }
  if (only !== undefined) return only;
  const known = Object.values<PoolLayout>(layouts).map((layout) => `${layout.name} ${quoted(layout.needed)}`);
  throw new LayoutProblem(
    `has the columns ${quoted(columns)}, which fit no layout; known are ${known.join('; ')}`,
  );
}

function needsMore(all: readonly string[], some: readonly string[]): boolean {
  return all.length > some.length && some.every((column) => all.includes(column));
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
