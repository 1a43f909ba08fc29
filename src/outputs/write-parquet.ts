import { fileWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import type { Layout, TrainingRow } from './training-rows.ts';

/** A row group ends at so many rows, or characters of text, whichever comes first: what memory holds at a time. */
const GROUP_ROWS = 1000;
const GROUP_CHARACTERS = 16_000_000;

const text = (name: string): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  repetition_type: 'OPTIONAL',
});

/** A list of messages as Parquet's specification wants a list, so that Arrow reads `list<struct<role, content>>`. */
const messages = (name: string): SchemaElement[] => [
  { name, converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', repetition_type: 'OPTIONAL', num_children: 2 },
  text('role'),
  text('content'),
];

/** The columns of each layout; those that train come first. */
export const COLUMNS: Readonly<Record<Layout, { messages: readonly string[]; texts: readonly string[] }>> = {
  'prompt-completion': {
    messages: ['prompt', 'completion'],
    texts: ['id', 'pair_id', 'order', 'better_side', 'verdict', 'source', 'category'],
  },
  preference: {
    messages: ['prompt', 'chosen', 'rejected'],
    texts: ['id', 'pair_id', 'order', 'better_side', 'verdict', 'rejected_verdict', 'source', 'category'],
  },
};

/** Writes rows of one layout as a Parquet file, a row group in memory at a time. */
export async function writeParquet(
  path: string,
  layout: Layout,
  rows: AsyncIterable<TrainingRow>,
): Promise<void> {
  const { messages: lists, texts } = COLUMNS[layout];
  const names = [...lists, ...texts];
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: [
      { name: 'root', num_children: names.length },
      ...lists.flatMap(messages),
      ...texts.map((name) => text(name)),
    ],
  });
  let group: TrainingRow[] = [];
  let characters = 0;
  const writeGroup = async (): Promise<void> => {
    const columnData = names.map((name) => ({
      name,
      data: group.map((row) => (row as unknown as Record<string, unknown>)[name]),
    }));
    await writer.write({ columnData, rowGroupSize: group.length });
    group = [];
    characters = 0;
  };
  for await (const row of rows) {
    group.push(row);
    characters += lengthOf(row);
    if (group.length >= GROUP_ROWS || characters >= GROUP_CHARACTERS) await writeGroup();
  }
  if (group.length > 0) await writeGroup();
  await writer.finish();
}

function lengthOf(row: TrainingRow): number {
  const said = 'completion' in row ? row.completion : [...row.chosen, ...row.rejected];
  return [...row.prompt, ...said].reduce((sum, { content }) => sum + content.length, 0);
}
