/** What people preferred, read out of the rows of a data set: an instruction, the better response, the worse one. */
export interface HumanPreference {
  readonly instruction: string;
  readonly better: string;
  readonly worse: string;
}

/** What a row, or several, come to: a preference, or why there is none. `failed` rows are damaged, `dropped` ones say nothing. */
export type PreferenceRow =
  | { readonly kind: 'preference'; readonly preference: HumanPreference }
  | { readonly kind: 'failed' | 'dropped'; readonly reason: string };

/** How the rows of a data set say what was preferred. */
export const PREFERENCE_LAYOUTS = ['preference', 'helpsteer2'] as const;
export type PreferenceLayout = (typeof PREFERENCE_LAYOUTS)[number];

/** The columns that a layout reads. */
export const PREFERENCE_COLUMNS: Readonly<Record<PreferenceLayout, readonly string[]>> = {
  preference: ['prompt', 'chosen', 'rejected'],
  helpsteer2: ['prompt', 'response', 'helpfulness'],
};

/**
 * The preferences of a file's rows, in their order.
 *
 * - `preference`: a row has `prompt`, `chosen` and `rejected`, each a text or a list of messages `{role, content}`; of
 *   `chosen` and `rejected` the last message is the response.
 * - `helpsteer2`: two rows that follow each other have the same `prompt`, and a `response` with its `helpfulness` (0 to
 *   4) each; the more helpful one is better, equal ones are dropped.
 */
export async function* readPreferences(
  rows: AsyncIterable<{ readonly value?: unknown; readonly problem?: string | undefined }>,
  layout: PreferenceLayout,
): AsyncGenerator<PreferenceRow> {
  let first: Record<string, unknown> | undefined;
  for await (const { value, problem } of rows) {
    if (problem !== undefined) yield failed(problem);
    else if (typeof value !== 'object' || value === null) yield failed('not an object');
    else if (layout === 'preference') yield fromChosen(value as Record<string, unknown>);
    else if (first === undefined) first = value as Record<string, unknown>;
    else {
      const second = value as Record<string, unknown>;
      if (first['prompt'] === second['prompt']) {
        yield fromHelpfulness(first, second);
        first = undefined;
      } else {
        yield failed('no second response to its prompt follows');
        first = second;
      }
    }
  }
  if (first !== undefined) yield failed('no second response to its prompt follows');
}

function fromChosen({ prompt, chosen, rejected }: Record<string, unknown>): PreferenceRow {
  return preferenceOf(conversationOf(prompt), responseOf(chosen), responseOf(rejected), {
    instruction: 'prompt',
    better: 'chosen',
    worse: 'rejected',
  });
}

function fromHelpfulness(first: Record<string, unknown>, second: Record<string, unknown>): PreferenceRow {
  const helpfulness = [first['helpfulness'], second['helpfulness']].map((value) =>
    typeof value === 'number' ? value : NaN,
  ) as [number, number];
  if (helpfulness.some(Number.isNaN)) return failed('"helpfulness" is no number');
  if (helpfulness[0] === helpfulness[1]) return { kind: 'dropped', reason: 'equally helpful' };
  const [better, worse] = helpfulness[0] > helpfulness[1] ? [first, second] : [second, first];
  const { prompt } = first;
  const instruction = typeof prompt === 'string' ? renderTurns(turnsOfHelpSteer(prompt)) : undefined;
  return preferenceOf(instruction, responseOf(better['response']), responseOf(worse['response']), {
    instruction: 'prompt',
    better: 'response',
    worse: 'response',
  });
}

function preferenceOf(
  instruction: string | undefined,
  better: string | undefined,
  worse: string | undefined,
  columns: Record<keyof HumanPreference, string>,
): PreferenceRow {
  if (instruction === undefined) return failed(`"${columns.instruction}" is neither text nor messages`);
  if (better === undefined) return failed(`"${columns.better}" is neither text nor messages`);
  if (worse === undefined) return failed(`"${columns.worse}" is neither text nor messages`);
  if ([instruction, better, worse].some((text) => text.trim() === ''))
    return { kind: 'dropped', reason: 'empty' };
  if (better.trim() === worse.trim()) return { kind: 'dropped', reason: 'equal responses' };
  return { kind: 'preference', preference: { instruction, better, worse } };
}

interface Turn {
  readonly role: string;
  readonly content: string;
}

function conversationOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const turns = turnsOf(value);
  return turns && renderTurns(turns);
}

function responseOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : turnsOf(value)?.at(-1)?.content;
}

function turnsOf(value: unknown): Turn[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const turns = value as Partial<Turn>[];
  return turns.every((turn) => typeof turn?.role === 'string' && typeof turn.content === 'string')
    ? (turns as Turn[])
    : undefined;
}

/** HelpSteer2 flattens the turns of a conversation with marks between them. */
function turnsOfHelpSteer(prompt: string): Turn[] {
  const [first = '', ...later] = prompt.split('<extra_id_1>');
  return [
    { role: 'user', content: first.trim() },
    ...later.map((turn) => {
      const [speaker = ''] = turn.split('\n', 1);
      return { role: speaker.trim().toLowerCase(), content: turn.slice(speaker.length).trim() };
    }),
  ];
}

/** One turn as it is; several by speaker, as a judge's prompt shows them. */
function renderTurns(turns: readonly Turn[]): string {
  if (turns.length === 1) return turns[0]?.content ?? '';
  return turns
    .map(({ role, content }) => `${role[0]?.toUpperCase()}${role.slice(1)}: ${content}`)
    .join('\n\n');
}

function failed(reason: string): PreferenceRow {
  return { kind: 'failed', reason };
}
