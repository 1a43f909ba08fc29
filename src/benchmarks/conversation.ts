/** One turn of a conversation, as a benchmark's file has it. */
export interface Turn {
  readonly role: string;
  readonly content: string;
}

/**
 * A conversation as the text that stands for the user's question in a judge's prompt: a single question as it is,
 * several turns each under its speaker.
 */
export function conversationText(turns: readonly Turn[]): string {
  const [first] = turns;
  if (turns.length === 1 && first?.role === 'user') return first.content;
  return turns.map(({ role, content }) => `${speaker(role)}: ${content}`).join('\n\n');
}

function speaker(role: string): string {
  return role.charAt(0).toUpperCase() + role.slice(1).toLowerCase();
}

/** HelpSteer2 writes a conversation as one text: the first user turn, then each turn after a mark of its speaker. */
const TURN_MARK = /\n?<extra_id_1>(User|Assistant)\n/;

/** The turns of a HelpSteer2 prompt. */
export function flattenedTurns(prompt: string): Turn[] {
  const [first = '', ...rest] = prompt.split(TURN_MARK);
  const turns: Turn[] = first === '' && rest.length > 0 ? [] : [{ role: 'user', content: first }];
  for (let i = 0; i < rest.length; i += 2) {
    turns.push({ role: (rest[i] ?? '').toLowerCase(), content: rest[i + 1] ?? '' });
  }
  return turns;
}
