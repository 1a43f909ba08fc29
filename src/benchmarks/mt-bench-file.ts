import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { quotedName } from '../datasets/rows/json-object.ts';
import { InvalidBenchmarkFile, type BenchmarkFile, type BenchmarkItem } from './benchmark.ts';
import {
  nonZeroCounts,
  readBenchmarkRows,
  rowCountWarnings,
  rowIds,
  throwIfProblems,
} from './read-benchmark.ts';

/** The number of votes for each of two models, and for a tie. */
export interface HumanVotes {
  readonly A: number;
  readonly B: number;
  readonly tie: number;
}

/** Two models' answers to a question, in one turn, with the votes of people. */
export interface MtBenchItem extends BenchmarkItem {
  readonly question: number;
  readonly turn: 1 | 2;
  /** The user's turns. Model A is the first one by name. */
  readonly questions: readonly string[];
  readonly answersA: readonly string[];
  readonly answersB: readonly string[];
  /** Reference answers to both turns, if the question has them. */
  readonly references?: readonly string[];
  /** `human` are the experts; the benchmark's authors are counted separately. */
  readonly votes: { readonly human: HumanVotes; readonly author: HumanVotes };
}

const conversation = z.array(z.object({ role: z.string(), content: z.string() })).min(2);
const rowSchema = z.object({
  question_id: z.int(),
  model_a: z.string().min(1),
  model_b: z.string().min(1),
  winner: z.string().min(1),
  judge: z.string().min(1),
  conversation_a: conversation,
  conversation_b: conversation,
  turn: z.union([z.literal(1), z.literal(2)]),
});
type Row = z.output<typeof rowSchema>;

const referenceSchema = z.object({
  question_id: z.int(),
  choices: z.array(z.object({ turns: z.array(z.string()).min(1) })).min(1),
});

/** The categories of questions 81 to 160, ten questions each. For three of them the official judge sees reference answers. */
const CATEGORIES = ['writing', 'roleplay', 'reasoning', 'math', 'coding', 'extraction', 'stem', 'humanities'];
const NEED_REFERENCES = ['reasoning', 'math', 'coding'];

/**
 * Reads the split `human` of the human judgments: one file, or a folder that also contains the reference answers in
 * `reference_answer.jsonl` or `reference_answer/gpt-4.jsonl`.
 */
export async function readMtBench(location: string): Promise<BenchmarkFile<MtBenchItem>> {
  const root = path.resolve(location);
  const isFolder = existsSync(root) && (await stat(root)).isDirectory();
  const votesFile = isFolder ? await findVotes(root) : root;
  const { file, rows } = await readBenchmarkRows(votesFile, rowSchema, "MT-Bench's split human has 3355");
  const references = isFolder ? await readReferences(root) : new Map<number, string[]>();
  const problems: string[] = [];
  const comparisons = new Map<string, { row: Row; votes: { human: Votes; author: Votes } }>();
  let others = 0;
  rows.forEach((rowOfFile, index) => {
    const row = inNameOrder(rowOfFile);
    const winner = winnerOf(row.winner);
    if (winner === undefined) {
      problems.push(
        `row ${index}: winner: found ${quotedName(rowOfFile.winner)}; expected model_a, model_b or a tie`,
      );
      return;
    }
    if (Math.min(row.conversation_a.length, row.conversation_b.length) < 2 * row.turn) {
      problems.push(`row ${index}: conversation_a, conversation_b: an answer of turn ${row.turn} is missing`);
      return;
    }
    const people = peopleOf(row.judge);
    if (people === undefined) {
      others += 1;
      return;
    }
    const key = JSON.stringify([row.question_id, row.model_a, row.model_b, row.turn]);
    const comparison = comparisons.get(key) ?? { row, votes: { human: noVotes(), author: noVotes() } };
    comparison.votes[people][winner] += 1;
    comparisons.set(key, comparison);
  });
  throwIfProblems(file, problems);
  const decided = [...comparisons.values()].filter(({ votes }) => votes.human.A !== votes.human.B);
  if (decided.length === 0) {
    throw new InvalidBenchmarkFile(
      `${file}: no comparison with a majority among the experts (judge "expert_..."); expected the split human`,
    );
  }
  const idOf = rowIds(comparisons.size);
  const items = [...comparisons.values()].map(({ row, votes }, index) =>
    itemOf(idOf(index), row, votes, references),
  );
  const warnings = rowCountWarnings(file, rows.length, 'MT-Bench', { human: 3355 });
  const withoutReference = items.filter(
    ({ subset, references: shown }) => needsReference(subset) && shown === undefined,
  );
  if (withoutReference.length > 0) {
    const questions = new Set(withoutReference.map(({ question }) => question)).size;
    warnings.push(
      `${file}: ${questions} questions of ${NEED_REFERENCES.join(', ')} are judged without a reference answer, which the official judge has: ` +
        'use a folder that contains reference_answer.jsonl and the judgments.',
    );
  }
  return { items, warnings, excluded: nonZeroCounts({ 'votes by models': others }) };
}

type Votes = { -readonly [Winner in keyof HumanVotes]: HumanVotes[Winner] };

function noVotes(): Votes {
  return { A: 0, B: 0, tie: 0 };
}

function peopleOf(judge: string): 'human' | 'author' | undefined {
  if (judge.startsWith('expert')) return 'human';
  return judge.startsWith('author') ? 'author' : undefined;
}

/** Several values mean a tie; all of them contain the word. */
function winnerOf(winner: string): keyof HumanVotes | undefined {
  if (winner.includes('tie')) return 'tie';
  if (winner === 'model_a') return 'A';
  return winner === 'model_b' ? 'B' : undefined;
}

/** Orders the models of a comparison by their names, as the official script does. */
function inNameOrder(row: Row): Row {
  if (row.model_a < row.model_b) return row;
  const flipped: Record<string, string> = { model_a: 'model_b', model_b: 'model_a' };
  return {
    ...row,
    model_a: row.model_b,
    model_b: row.model_a,
    conversation_a: row.conversation_b,
    conversation_b: row.conversation_a,
    winner: flipped[row.winner] ?? row.winner,
  };
}

function itemOf(
  id: string,
  row: Row,
  votes: MtBenchItem['votes'],
  allReferences: ReadonlyMap<number, string[]>,
): MtBenchItem {
  const { question_id: question, turn } = row;
  const messagesOf = (turns: Row['conversation_a'], start: 0 | 1) =>
    turns.filter((_, index) => index % 2 === start && index < 2 * turn).map(({ content }) => content);
  const questions = messagesOf(row.conversation_a, 0);
  const references = allReferences.get(question);
  return {
    id,
    subset: `turn ${turn}: ${CATEGORIES[Math.floor((question - 81) / 10)] ?? 'other'}`,
    instruction: questions.join('\n\n'),
    question,
    turn,
    questions,
    answersA: messagesOf(row.conversation_a, 1),
    answersB: messagesOf(row.conversation_b, 1),
    ...(references === undefined ? {} : { references }),
    votes,
  };
}

function needsReference(subset: string): boolean {
  return NEED_REFERENCES.some((category) => subset.endsWith(`: ${category}`));
}

/** Finds the file of the split `human` in a folder, or in its subfolder `data` as on the hub. */
async function findVotes(root: string): Promise<string> {
  for (const folder of [root, path.join(root, 'data')]) {
    const names = existsSync(folder) ? await readdir(folder) : [];
    const found = names.filter((name) => /^human.*\.(parquet|jsonl|jsonl\.gz|json)$/.test(name)).sort()[0];
    if (found !== undefined) return path.join(folder, found);
  }
  throw new InvalidBenchmarkFile(
    `${root}: neither it nor its folder data has a file human*.parquet or human*.jsonl`,
  );
}

async function readReferences(root: string): Promise<Map<number, string[]>> {
  const candidates = ['reference_answer.jsonl', path.join('reference_answer', 'gpt-4.jsonl')];
  const file = candidates.map((name) => path.join(root, name)).find((candidate) => existsSync(candidate));
  if (file === undefined) return new Map();
  const { rows } = await readBenchmarkRows(file, referenceSchema, "MT-Bench's reference answers are 30");
  return new Map(rows.map(({ question_id, choices }) => [question_id, choices[0]?.turns ?? []]));
}
