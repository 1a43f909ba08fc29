import { z } from 'zod';
import type { JudgedOrder } from '../benchmarks/biases.ts';
import type { Label } from '../benchmarks/judge-agreement.ts';
import { describeRowProblems } from '../datasets/rows/describe-row-problems.ts';
import { readRows } from '../datasets/rows/read-rows.ts';
import { wordCount } from '../datasets/word-hashes.ts';
import { PRESENTATION_ORDERS } from '../method/pair-comparison.ts';
import type { Verdict } from '../method/verdict.ts';

/** A file that can't be used with verdicts, or as verdicts. The message names the file, its rows, and what to do. */
export class InvalidVerdictFile extends Error {
  override readonly name = 'InvalidVerdictFile';
}

/** A line of a verdict file without its texts. */
export interface ReadVerdict {
  readonly row: number;
  readonly id: string;
  readonly label?: Label;
  readonly verdict: Verdict;
  /** The share of the judgments with this verdict. */
  readonly confidence: number;
  readonly orders: readonly JudgedOrder[];
}

const verdict = z.enum(['A', 'B', 'tie', 'none']);
const judgment = z.object({ text: z.string(), reasoning: z.string().optional(), verdict });
const order = z.object({ order: z.enum(PRESENTATION_ORDERS), verdict, judgments: z.array(judgment) });
const lineSchema = z.object({
  row: z.int().nonnegative(),
  id: z.string(),
  verdict,
  label: z.enum(['A', 'B', 'tie']).optional(),
  orders: z.array(order),
});

/**
 * Reads the verdicts that the command `judge` or the workflow `judgePairsFile` has written, in the order of their rows.
 * @throws InvalidVerdictFile, UnreadableFile
 */
export async function readVerdicts(file: string): Promise<ReadVerdict[]> {
  const verdicts: ReadVerdict[] = [];
  const problems: string[] = [];
  const rows = new Set<number>();
  for await (const { row: line, value, problem } of readRows(file)) {
    const parsed = problem === undefined ? lineSchema.safeParse(value) : undefined;
    if (parsed?.success) {
      if (rows.has(parsed.data.row))
        problems.push(`row ${line}: a second verdict on row ${parsed.data.row} of the pairs`);
      rows.add(parsed.data.row);
      verdicts.push(withoutTexts(parsed.data));
    } else {
      const task = (value as { readonly task?: unknown } | null | undefined)?.task;
      if (typeof task === 'string')
        throw new InvalidVerdictFile(
          `${file} has verdicts of the task ${JSON.stringify(task)}, but only those on pairs can be compared here; the command judge prints the figures of tasks`,
        );
      const { path = [], message = '' } = parsed?.error.issues[0] ?? {};
      const field = path.join('.');
      const detail = message.endsWith('received undefined') ? `no field "${field}"` : `${field}: ${message}`;
      problems.push(`row ${line}: ${problem ?? detail}`);
    }
  }
  if (verdicts.length === 0 && problems.length === 0)
    throw new InvalidVerdictFile(`${file} has no verdicts: give a file that the command judge has written`);
  requireNoProblems(
    file,
    problems,
    "can't be read as a verdict: give a file that the command judge has written",
  );
  return verdicts.sort((one, other) => one.row - other.row);
}

/** @throws InvalidVerdictFile with the first problems, if there are any */
export function requireNoProblems(file: string, problems: readonly string[], what: string): void {
  if (problems.length === 0) return;
  throw new InvalidVerdictFile(describeRowProblems(file, problems, what));
}

function withoutTexts({ row, id, label, verdict: found, orders }: z.output<typeof lineSchema>): ReadVerdict {
  const judgments = orders.flatMap((each) => each.judgments);
  const same = judgments.filter((each) => each.verdict === found).length;
  return {
    row,
    id,
    ...(label === undefined ? {} : { label }),
    verdict: found,
    confidence: judgments.length === 0 ? 0 : same / judgments.length,
    orders: orders.map((each) => ({
      first: each.order === 'as-given' ? 'A' : 'B',
      verdict: each.verdict,
      words: meanWords(each.judgments),
    })),
  };
}

function meanWords(judgments: readonly z.output<typeof judgment>[]): number {
  const words = judgments.map(({ text, reasoning = '' }) => wordCount(text) + wordCount(reasoning));
  return words.length === 0 ? 0 : words.reduce((sum, each) => sum + each, 0) / words.length;
}
