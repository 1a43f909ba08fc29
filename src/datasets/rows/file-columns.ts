import { asyncBufferFromFile, parquetMetadataAsync, parquetSchema } from 'hyparquet';
import { readRows, UnreadableFile } from './read-rows.ts';
import { isObject } from '../../platform/is-object.ts';

/** Number of rows that are read to find the columns of a file without a schema. */
const SAMPLED_ROWS = 100;

/**
 * The columns of a Parquet file, or the fields of the first rows of another file; undefined if no row is an object.
 * @throws UnreadableFile if the file can't be read
 */
export async function columnsOf(file: string): Promise<readonly string[] | undefined> {
  const fields = new Set<string>();
  if (file.toLowerCase().endsWith('.parquet')) {
    // A missing or invalid file is reported by readRows below.
    const metadata = await asyncBufferFromFile(file)
      .then((buffer) => parquetMetadataAsync(buffer))
      .catch(() => undefined);
    if (metadata !== undefined) return parquetSchema(metadata).children.map((child) => child.element.name);
  }
  for await (const { row, value } of readRows(file)) {
    if (isObject(value)) for (const field of Object.keys(value)) fields.add(field);
    if (row + 1 >= SAMPLED_ROWS) break;
  }
  return fields.size === 0 ? undefined : [...fields];
}

/** A format of rows that is recognized by its columns. */
export interface RowFormat {
  readonly name: string;
  /** The columns that must exist. */
  readonly requiredColumns: readonly string[];
}

/**
 * Determines the row format of a file: the named one, or for `auto` the only format whose required columns all exist. If
 * a format requires all columns of another one and more, the more specific one wins.
 *
 * @param formats all formats by name
 * @param options the name, and advice for an ambiguous file, such as "name one of them in pairs.format"
 * @throws UnreadableFile if the columns fit no format, or several, or not the named one
 */
export function detectRowFormat<Name extends string, Format extends RowFormat>(
  file: string,
  columns: readonly string[],
  formats: Readonly<Record<Name, Format>>,
  { name, toDecide }: { readonly name: Name | 'auto'; readonly toDecide: string },
): Format {
  const missingColumns = ({ requiredColumns }: RowFormat) =>
    requiredColumns.filter((column) => !columns.includes(column));
  if (name !== 'auto') {
    const missing = missingColumns(formats[name]);
    if (missing.length === 0) return formats[name];
    throw new UnreadableFile(
      file,
      `has no column ${quoted(missing)}, which the format ${name} requires; its columns are ${quoted(columns)}`,
    );
  }
  const all = Object.values<Format>(formats);
  const fitting = all.filter((format) => missingColumns(format).length === 0);
  const mostSpecific = fitting.filter(
    ({ requiredColumns }) => !fitting.some((other) => requiresMore(other.requiredColumns, requiredColumns)),
  );
  const [only] = mostSpecific;
  if (mostSpecific.length > 1) {
    const names = mostSpecific
      .map((format) => `${format.name} (${quoted(format.requiredColumns)})`)
      .join(' and ');
    throw new UnreadableFile(file, `fits the formats ${names}: ${toDecide}`);
  }
  if (only !== undefined) return only;
  const descriptions = all.map((format) => `${format.name} ${quoted(format.requiredColumns)}`);
  throw new UnreadableFile(
    file,
    `has the columns ${quoted(columns)}, which fit no format; the formats are ${descriptions.join('; ')}`,
  );
}

function requiresMore(all: readonly string[], some: readonly string[]): boolean {
  return all.length > some.length && some.every((column) => all.includes(column));
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
