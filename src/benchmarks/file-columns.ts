import { asyncBufferFromFile, parquetMetadataAsync, parquetSchema } from 'hyparquet';
import { readRows, UnreadableFileError } from './read-rows.ts';

/** Rows of a file without a schema that are looked at to find its columns. */
const ROWS_TO_LOOK_AT = 100;

/**
 * The columns of a parquet file, or the fields of the first rows; undefined where no row is an object.
 * @throws UnreadableFileError for a file that can't be read
 */
export async function columnsOf(file: string): Promise<readonly string[] | undefined> {
  const fields = new Set<string>();
  if (file.toLowerCase().endsWith('.parquet')) {
    // A file that is missing or no parquet is for readRows to report.
    const metadata = await asyncBufferFromFile(file)
      .then((buffer) => parquetMetadataAsync(buffer))
      .catch(() => undefined);
    if (metadata !== undefined) return parquetSchema(metadata).children.map((child) => child.element.name);
  }
  for await (const { row, value } of readRows(file)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const field of Object.keys(value)) fields.add(field);
    if (row + 1 >= ROWS_TO_LOOK_AT) break;
  }
  return fields.size === 0 ? undefined : [...fields];
}

/** A layout of files, as far as it is recognised by their columns. */
export interface KnownByColumns {
  readonly name: string;
  /** Without these it can't be read. */
  readonly needed: readonly string[];
}

/**
 * The layout of a file by its columns: the named one, or for `auto` the only one whose needed columns are all
 * there. Of two that fit where one needs the other's columns and more, it is the more demanding one.
 *
 * @param layouts all that are known, by their names
 * @param wanted the layout, and what to do where `auto` can't tell which it is, such as "name one of them in pairs.layout"
 * @throws UnreadableFileError where the columns fit no layout, or several, or not the one that is named
 */
export function layoutOf<Name extends string, Layout extends KnownByColumns>(
  file: string,
  columns: readonly string[],
  layouts: Readonly<Record<Name, Layout>>,
  { name, toDecide }: { readonly name: Name | 'auto'; readonly toDecide: string },
): Layout {
  const lacks = ({ needed }: KnownByColumns) => needed.filter((column) => !columns.includes(column));
  if (name !== 'auto') {
    const missing = lacks(layouts[name]);
    if (missing.length === 0) return layouts[name];
    throw new UnreadableFileError(
      file,
      `has no column ${quoted(missing)}, which the layout ${name} needs; its columns are ${quoted(columns)}`,
    );
  }
  const all = Object.values<Layout>(layouts);
  const fitting = all.filter((layout) => lacks(layout).length === 0);
  const chosen = fitting.filter(({ needed }) => !fitting.some((other) => needsMore(other.needed, needed)));
  const [only] = chosen;
  if (chosen.length > 1) {
    const names = chosen.map((layout) => `${layout.name} (${quoted(layout.needed)})`).join(' and ');
    throw new UnreadableFileError(file, `fits the layouts ${names}: ${toDecide}`);
  }
  if (only !== undefined) return only;
  const known = all.map((layout) => `${layout.name} ${quoted(layout.needed)}`);
  throw new UnreadableFileError(
    file,
    `has the columns ${quoted(columns)}, which fit no layout; known are ${known.join('; ')}`,
  );
}

function needsMore(all: readonly string[], some: readonly string[]): boolean {
  return all.length > some.length && some.every((column) => all.includes(column));
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
