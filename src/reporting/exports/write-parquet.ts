import { fileWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import type { TrainingRow } from './training-rows.ts';
import type { TrainingRows } from '../../models/training/recipes/recipe.ts';

/** The maximum number of rows and of characters in a row group, which is held in memory. */
const GROUP_ROWS = 1000;
const GROUP_CHARACTERS = 16_000_000;

const text = (name: string): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  repetition_type: 'OPTIONAL',
});

/** The schema of a list of messages by Parquet's specification, so that Arrow reads `list<struct<role, content>>`. */
const messages = (name: string): SchemaElement[] => [
  { name, converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', repetition_type: 'OPTIONAL', num_children: 2 },
  text('role'),
  text('content'),
];

/** The columns of exported rows; those with messages come first. */
export function trainingRowColumns({ columns, facts = [] }: TrainingRows): {
  readonly messages: readonly string[];
  readonly texts: readonly string[];
} {
  const verdicts = columns.map(({ verdict }) => verdict.name);
  return {
    messages: ['prompt', ...columns.map(({ name }) => name)],
    texts: [
      ...['id', 'pair_id', 'order', 'better_side', ...verdicts],
      ...facts.map(({ name }) => name),
      ...['source', 'category'],
    ],
  };
}

/** Writes rows of one format as a Parquet file, a row group in memory at a time. */
export async function writeParquet(
  path: string,
  format: TrainingRows,
  rows: AsyncIterable<TrainingRow>,
): Promise<void> {
  const { messages: lists, texts } = trainingRowColumns(format);
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
      data: group.map((row) => row[name]),
    }));
    await writer.write({ columnData, rowGroupSize: group.length });
    group = [];
    characters = 0;
  };
  for await (const row of rows) {
    group.push(row);
    characters += charactersIn(row, lists);
    if (group.length >= GROUP_ROWS || characters >= GROUP_CHARACTERS) await writeGroup();
  }
  if (group.length > 0) await writeGroup();
  await writer.finish();
}

function charactersIn(row: TrainingRow, columns: readonly string[]): number {
  const messages = columns.flatMap((name) => (row[name] ?? []) as TrainingRow['prompt']);
  return messages.reduce((sum, { content }) => sum + content.length, 0);
}
