import { askedBy, messagesOf, type Asked } from '../judge/conversation.ts';

/** What a row of a pool tells about its one instruction. What the file doesn't say is left out. */
export interface PoolRow extends Asked {
  /** As the file names it: `English`, `en`, `pt-BR`. */
  readonly language?: string | undefined;
  /** Whether somebody has marked it as toxic, or personal data was cut out of it. */
  readonly toxic?: boolean;
  readonly redacted?: boolean;
  /** How often the user spoke in the conversation; 1 where the instruction stands alone. */
  readonly turns: number;
}

/** Why a row gives no instruction: it is damaged (`failed`), or the layout leaves it out (`dropped`). */
export interface NoInstruction {
  readonly kind: 'failed' | 'dropped';
  /** One of a few, so that rows can be counted by it. */
  readonly reason: string;
}

/** How a data set lays its instructions out. One file each; adding one touches one file and `layouts.ts`. */
export interface PoolLayout {
  readonly name: string;
  /** Columns by which the layout is recognised and without which it can't be read. */
  readonly needed: readonly string[];
  /** Columns that are read where they are there. No other column enters the run. */
  readonly optional: readonly string[];
  read(row: Readonly<Record<string, unknown>>): PoolRow | NoInstruction;
}

/** A text field as it stands in the file, or why it is no text. */
export function textIn(row: Readonly<Record<string, unknown>>, field: string): string | NoInstruction {
  const value = row[field];
  if (typeof value === 'string') return value;
  if (value === undefined) return { kind: 'failed', reason: `no field "${field}"` };
  const found = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  return { kind: 'failed', reason: `"${field}" is ${found}, not text` };
}

/** The messages of a conversation: objects in an array, or why they are not. */
export function messagesIn(
  row: Readonly<Record<string, unknown>>,
  field: string,
): readonly Readonly<Record<string, unknown>>[] | NoInstruction {
  const value = row[field];
  if (Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null)) return value;
  return { kind: 'failed', reason: `"${field}" is no list of messages` };
}

/**
 * The conversation up to its last user turn: what comes after it would be an answer. A last turn of blanks asks for
 * nothing.
 */
export function conversationIn(
  row: Readonly<Record<string, unknown>>,
  field: string,
): PoolRow | NoInstruction {
  const messages = messagesOf(row[field], field);
  if ('reason' in messages) return { kind: 'failed', reason: messages.reason };
  const last = messages.findLastIndex(({ role }) => role === 'user');
  if (last < 0) return { kind: 'dropped', reason: 'no message of the user' };
  const turns = messages.slice(0, last + 1);
  if (turns[last]?.content.trim() === '') return { kind: 'dropped', reason: 'empty instruction' };
  return { ...askedBy(turns), turns: turns.filter(({ role }) => role === 'user').length };
}
