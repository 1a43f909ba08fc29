import type { ChatMessage } from './prompt-template.ts';

/** One turn of a conversation in a file. */
export interface ConversationTurn {
  readonly role: string;
  readonly content: string;
}

/**
 * Formats a conversation as the text that takes the place of the user's question in a judge's prompt. A single question
 * is unchanged; of several messages each begins with its speaker.
 */
export function conversationText(turns: readonly ConversationTurn[]): string {
  const [first] = turns;
  if (turns.length === 1 && first?.role === 'user') return first.content;
  return turns.map(({ role, content }) => `${speaker(role)}: ${content}`).join('\n\n');
}

function speaker(role: string): string {
  return role.charAt(0).toUpperCase() + role.slice(1).toLowerCase();
}

/** HelpSteer2 writes a conversation as one text: the first user turn, then every other turn after a marker of its speaker. */
const TURN_MARK = /\n?<extra_id_1>(User|Assistant)\n/;

/** The turns of a HelpSteer2 prompt. */
export function parseFlattenedTurns(prompt: string): ConversationTurn[] {
  const [first = '', ...rest] = prompt.split(TURN_MARK);
  const turns: ConversationTurn[] = first === '' && rest.length > 0 ? [] : [{ role: 'user', content: first }];
  for (let i = 0; i < rest.length; i += 2) {
    turns.push({ role: (rest[i] ?? '').toLowerCase(), content: rest[i + 1] ?? '' });
  }
  return turns;
}

/** A request of a user: its text for a judge's prompt and, unless it is a single question, its messages for a model. */
export interface UserRequest {
  readonly instruction: string;
  readonly conversation?: readonly ChatMessage[];
}

/** Makes a request of the messages of a conversation. The last message is the user's. */
export function userRequestOf(turns: readonly ChatMessage[]): UserRequest {
  const instruction = conversationText(turns);
  return turns.length === 1 ? { instruction } : { instruction, conversation: turns };
}

/** The last message of the user, and the messages before it: none for a single question. */
export interface LastTurn {
  readonly instruction: string;
  readonly earlier: readonly ChatMessage[];
}

export function lastTurnOf({ instruction, conversation = [] }: UserRequest): LastTurn {
  return {
    instruction: conversation.at(-1)?.content ?? instruction,
    earlier: conversation.slice(0, -1),
  };
}

/** Identifies a request: two requests are the same if their keys are equal. A conversation never equals a single question. */
export function userRequestKey({ instruction, conversation }: UserRequest): string {
  return conversation === undefined ? instruction : JSON.stringify(conversation);
}

/** The texts of a request that are compared with the benchmarks: the instruction, and each message of the user by itself. */
export function userRequestTexts({ instruction, conversation = [] }: UserRequest): string[] {
  return [instruction, ...conversation.filter(({ role }) => role === 'user').map(({ content }) => content)];
}
