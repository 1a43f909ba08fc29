import type { Message } from './prompt-template.ts';

/** One turn of a conversation, as a file has it. */
export interface Turn {
  readonly role: string;
  readonly content: string;
}

/**
 * A conversation as the text that stands for the user's question in a judge's prompt: a single question as it is,
 * several turns, or one beside a system prompt, each under its speaker.
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

/** What asks for a response: its text for a judge's prompt and, unless it is one question alone, its turns for a model. */
export interface Asked {
  readonly instruction: string;
  readonly conversation?: readonly Message[];
}

/** What the turns ask for. The last one is the user's. */
export function askedBy(turns: readonly Message[]): Asked {
  const instruction = conversationText(turns);
  return turns.length === 1 ? { instruction } : { instruction, conversation: turns };
}

/** What an instruction asks at last, and the turns before: none of a single question. */
export interface LastTurn {
  readonly instruction: string;
  readonly earlier: readonly Message[];
}

export function lastTurnOf({ instruction, conversation = [] }: Asked): LastTurn {
  return {
    instruction: conversation.at(-1)?.content ?? instruction,
    earlier: conversation.slice(0, -1),
  };
}

/** What tells one instruction from another: its text, or its turns, which a text that only looks like them is not. */
export function keyOf({ instruction, conversation }: Asked): string {
  return conversation === undefined ? instruction : JSON.stringify(conversation);
}

/** The instruction, and each turn of its user by itself: all the texts in which something may have been asked before. */
export function textsAsked({ instruction, conversation = [] }: Asked): string[] {
  return [instruction, ...conversation.filter(({ role }) => role === 'user').map(({ content }) => content)];
}

/** The roles under the names that data sets give them. */
const ROLES: ReadonlyMap<unknown, Message['role']> = new Map([
  ['system', 'system'],
  ['developer', 'system'],
  ['user', 'user'],
  ['human', 'user'],
  ['assistant', 'assistant'],
  ['gpt', 'assistant'],
]);

/** Why a value is no conversation; one of a few, so that rows can be counted by it. */
export interface NoConversation {
  readonly reason: string;
}

/** The messages of a list of `{role, content}`, or of `{from, value}` as ShareGPT has it. */
export function messagesOf(value: unknown, field: string): Message[] | NoConversation {
  if (!Array.isArray(value) || value.length === 0) return { reason: `"${field}" is no list of messages` };
  const messages: Message[] = [];
  for (const turn of value as unknown[]) {
    if (typeof turn !== 'object' || turn === null) return { reason: `"${field}" is no list of messages` };
    const { role: named, from, content, value: said } = turn as Record<string, unknown>;
    const role = ROLES.get(named ?? from);
    if (role === undefined) return { reason: `"${field}" has a role other than system, user and assistant` };
    const text = content ?? said;
    if (typeof text !== 'string') return { reason: `"${field}" has a message whose content is no text` };
    messages.push({ role, content: text });
  }
  return messages;
}
