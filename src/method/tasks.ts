/** The tasks of a judge beyond pairs: one line each in `TASKS`. */
import type { AlmostForm, VerdictForm } from './missing-verdict.ts';
import type { PromptTemplate } from './prompt-template.ts';
import { answerOf, type ReasoningMarks } from './reasoning.ts';

/** The lowest and the highest score of a response. */
export const SCORE_RANGE = { lowest: 1, highest: 10 } as const;

/** The score of the range that is farthest from another one. */
export function farthestScore(from: number): number {
  const { lowest, highest } = SCORE_RANGE;
  return from - lowest > highest - from ? lowest : highest;
}

/** The most responses that a judge can choose the best of: each has a letter. */
export const MAX_RANKED = 26;

interface JudgeTask {
  /** The benchmark of a user's own file for this task (src/benchmarks/own-tasks.ts). */
  readonly benchmark: string;
  /** The folder of its prompts, with a subfolder for records without a reference answer and one for those with one. */
  readonly folder: string;
  /** The placeholders of its prompts; `reference` comes to them if a record has one. */
  readonly placeholders: readonly string[];
  /** The form of a verdict, for messages. */
  readonly form: string;
  /** Matches what may be a verdict in an answer; the first group is the verdict. */
  readonly pattern: RegExp;
  /** Matches the verdicts that are valid. */
  readonly valid: RegExp;
  /** The forms in which judges almost give a verdict. */
  readonly almost: readonly AlmostForm[];
}

const ALMOST_SCORE: readonly AlmostForm[] = [
  { form: '[[8/10]]', pattern: /\[\[\s*\d+(?:\.\d+)?\s*(?:\/\s*10)?\s*\]\]/ },
  { form: '[8]', pattern: /\[\s*\d+\s*\]/ },
  { form: '8/10', pattern: /\b\d+(?:\.\d+)?\s*\/\s*10\b/ },
  { form: 'Score: 8', pattern: /\b(?:score|rating)\b[^\n:]{0,40}(?::|\bis\b)[\s*_]*\d/i },
];
const ALMOST_CHOICE: readonly AlmostForm[] = [
  { form: '[[a]]', pattern: /\[\[\s*[a-z]\s*\]\]/i },
  { form: '[[Response A]]', pattern: /\[\[[^[\]]*\b[A-Z]\b[^[\]]*\]\]/ },
  { form: '[A]', pattern: /\[\s*[A-Z]\s*\]/ },
];
const ALMOST_CORRECT: readonly AlmostForm[] = [
  { form: '[[Correct]]', pattern: /\[\[\s*(?:in)?correct\W*\]\]/i },
  { form: '[correct]', pattern: /\[\s*(?:in)?correct\s*\]/i },
  {
    form: 'Verdict: correct',
    pattern: /\b(?:verdict|answer)\b[^\n:]{0,40}(?::|\bis\b)[\s*_"]*(?:in)?correct\b/i,
  },
];

/** Rates a response from 1 to 10; chooses the best of several responses; says whether a response is correct. */
export const TASKS = {
  score: {
    benchmark: 'scores',
    folder: 'prompts/score',
    placeholders: ['instruction', 'rubric', 'response'],
    form: '[[7]] for the score 7',
    pattern: /\[\[(\d+)\]\]/g,
    valid: /^(?:[1-9]|10)$/,
    almost: ALMOST_SCORE,
  },
  rank: {
    benchmark: 'rankings',
    folder: 'prompts/rank',
    placeholders: ['instruction', 'rubric', 'responses'],
    form: '[[B]] for response B',
    pattern: /\[\[([A-Z])\]\]/g,
    valid: /^[A-Z]$/,
    almost: ALMOST_CHOICE,
  },
  verify: {
    benchmark: 'verifications',
    folder: 'prompts/verify',
    placeholders: ['instruction', 'response'],
    form: '[[correct]] or [[incorrect]]',
    pattern: /\[\[(correct|incorrect)\]\]/g,
    valid: /^/,
    almost: ALMOST_CORRECT,
  },
} as const satisfies Record<string, JudgeTask>;

export type TaskName = keyof typeof TASKS;

export const TASK_NAMES = Object.keys(TASKS) as readonly TaskName[];

/** The score of a response; the index of the best response; whether a response is correct. */
export type TaskLabel = number | 'correct' | 'incorrect';

/** Returns whether a score is that of a label: whole numbers, of which two are nearest to 8.5. */
export function isScoreRight(score: number, label: number): boolean {
  return Math.abs(score - label) <= 0.5;
}

/** The record that a judge is shown: an instruction, one response or several, and perhaps what they are measured by. */
export interface TaskRecord {
  readonly instruction: string;
  /** The responses in the order in which they are shown: one, or several to choose the best of. */
  readonly responses: readonly string[];
  /** An answer that is known to be correct. */
  readonly reference?: string | undefined;
  /** The description of a good response, for scores and rankings. */
  readonly rubric?: string | undefined;
}

/** The rubric of a record that has none. */
const GENERAL_RUBRIC =
  'How well the response follows the instruction, and how helpful, relevant, accurate, complete and clear it is.';

/** The names of a task's prompts and their placeholders. */
export function taskPrompts(task: TaskName): { readonly [prompt in TaskPrompt]: readonly string[] } {
  const { placeholders } = TASKS[task];
  return { plain: placeholders, reference: [...placeholders, 'reference'] };
}

/** The prompt for records without a reference answer, and that for those with one. */
export type TaskPrompt = 'plain' | 'reference';

/** The prompts of a task. */
export type TaskPrompts = Readonly<Record<TaskPrompt, PromptTemplate>>;

/** The prompt for a record, and the values of its placeholders. */
export function taskQuestion(
  task: TaskName,
  { instruction, responses, reference, rubric = GENERAL_RUBRIC }: TaskRecord,
): { readonly prompt: TaskPrompt; readonly values: Readonly<Record<string, string>> } {
  const all: Readonly<Record<string, string>> = {
    instruction,
    rubric,
    response: responses[0] ?? '',
    responses: responses.map(asAssistant).join('\n\n'),
    reference: reference ?? '',
  };
  const prompt = reference === undefined ? 'plain' : 'reference';
  return {
    prompt,
    values: Object.fromEntries(taskPrompts(task)[prompt].map((name) => [name, all[name] ?? ''])),
  };
}

/** The letter of the response in a place. */
export function letterOf(place: number): string {
  return String.fromCodePoint(65 + place);
}

/**
 * The verdict of a judgment: a score as `[[7]]`, the letter of the best response as `[[B]]`, `[[correct]]` or
 * `[[incorrect]]`. As with pairs, reasoning is not read, and a text with two different verdicts has none; nor has one with a
 * score outside the range, or with the letter of no response.
 *
 * @param responses the number of responses that were shown
 */
export function parseTaskVerdict(
  task: TaskName,
  text: string,
  responses: number,
  marks?: readonly ReasoningMarks[],
): string | undefined {
  const { valid } = TASKS[task];
  const [verdict, ...others] = verdictsOf(task, answerOf({ text }, marks));
  if (verdict === undefined || others.length > 0 || !valid.test(verdict)) return undefined;
  return task === 'rank' && verdict >= letterOf(responses) ? undefined : verdict;
}

/** How the verdict of a task is recognised, to say why a judgment has none. */
export function taskVerdictForm(task: TaskName): VerdictForm {
  return { verdictsOf: (answer) => verdictsOf(task, answer), almost: TASKS[task].almost };
}

function verdictsOf(task: TaskName, answer: string): ReadonlySet<string> {
  return new Set([...answer.matchAll(TASKS[task].pattern)].map((match) => match[1] as string));
}

function asAssistant(response: string, place: number): string {
  const name = `Assistant ${letterOf(place)}'s Answer`;
  return `[The Start of ${name}]\n${response}\n[The End of ${name}]`;
}
