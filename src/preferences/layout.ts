import { askedBy, messagesOf, type Asked } from '../judge/conversation.ts';
import type { Message } from '../judge/prompt-template.ts';

export type Row = Readonly<Record<string, unknown>>;

/** What is asked, and two responses of which the first was preferred. */
export interface Preferred extends Asked {
  readonly chosen: string;
  readonly rejected: string;
}

/** Why a row gives no preference: it is damaged (`failed`), or says that neither is better (`dropped`). */
export interface NoPreference {
  readonly kind: 'failed' | 'dropped';
  /** One of a few, so that rows can be counted by it. */
  readonly reason: string;
}

/** How a data set lays its preferences out. One file each; adding one touches one file and `layouts.ts`. */
export interface PreferenceLayout {
  readonly name: string;
  /** Columns by which the layout is recognised and without which it can't be read. */
  readonly needed: readonly string[];
  /** @param second the row that belongs to it, where two make a preference */
  readonly read: (row: Row, second?: Row) => Preferred | NoPreference;
  /** Where a preference stands in two rows that follow each other: whether these two are such ones. */
  readonly belongTogether?: (first: Row, second: Row) => boolean;
}

/** A response and, where its field holds a whole conversation, the turns before it. */
interface Said {
  readonly context: readonly Message[];
  readonly response: string;
}

/** A text, or messages of which the last one is the response. */
export function saidIn(row: Row, field: string): Said | NoPreference {
  const value = row[field];
  if (typeof value === 'string') return { context: [], response: value };
  const messages = fieldMessages(row, field);
  if ('reason' in messages) return messages;
  const last = messages.at(-1);
  return last?.role === 'assistant'
    ? { context: messages.slice(0, -1), response: last.content }
    : failed(`"${field}" does not end with a message of the assistant`);
}

/** A text that the user wrote, or the messages of a conversation. */
export function turnsIn(row: Row, field: string): readonly Message[] | NoPreference {
  const value = row[field];
  return typeof value === 'string' ? [{ role: 'user', content: value }] : fieldMessages(row, field);
}

function fieldMessages(row: Row, field: string): Message[] | NoPreference {
  const value = row[field];
  if (value === undefined) return failed(`no field "${field}"`);
  if (value === null) return failed(`"${field}" is null`);
  if (!Array.isArray(value)) return failed(`"${field}" is neither text nor messages`);
  const messages = messagesOf(value, field);
  return 'reason' in messages ? failed(messages.reason) : messages;
}

/** Puts a preference together; the conversation goes on with either response. */
export function preferredIn(
  turns: readonly Message[] | NoPreference,
  chosen: Said | NoPreference,
  rejected: Said | NoPreference,
  field: string,
): Preferred | NoPreference {
  for (const part of [turns, chosen, rejected]) if ('reason' in part) return part;
  const [asked, better, worse] = [turns, chosen, rejected] as [readonly Message[], Said, Said];
  if (asked.at(-1)?.role !== 'user') return failed(`"${field}" does not end with a message of the user`);
  return { ...askedBy(asked), chosen: better.response, rejected: worse.response };
}

/** The turns before both responses, where the fields hold whole conversations: empty where neither does. */
export function sharedContext(chosen: Said, rejected: Said): readonly Message[] | NoPreference {
  const contexts = [chosen.context, rejected.context].filter((context) => context.length > 0);
  const [first = [], second = first] = contexts;
  return isSame(first, second) ? first : failed('"chosen" and "rejected" differ before their last message');
}

export function isSame(one: readonly Message[], other: readonly Message[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

export function failed(reason: string): NoPreference {
  return { kind: 'failed', reason };
}

export function dropped(reason: string): NoPreference {
  return { kind: 'dropped', reason };
}
