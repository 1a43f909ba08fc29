import { failedRow, type UnusableRow } from '../rows/unusable-row.ts';
import { isPartList, parseContent } from '../messages/message-content.ts';
import { parseJsonConversation, parseMessages } from '../messages/parse-messages.ts';
import { userRequestOf, type UserRequest } from '../../method/conversation.ts';
import type { ChatMessage } from '../../method/prompt-template.ts';

export type DataRow = Readonly<Record<string, unknown>>;

/** A request and two responses of which the first one is preferred. */
export interface PreferenceTexts extends UserRequest {
  readonly chosen: string;
  readonly rejected: string;
}

/** A row format of preferences. Each has its own file and a line in `registry.ts`. */
export interface PreferenceFormat {
  readonly name: string;
  /** The columns that identify the format and must exist. */
  readonly requiredColumns: readonly string[];
  /** @param second the second row of a preference that has two rows */
  readonly read: (row: DataRow, second?: DataRow) => PreferenceTexts | UnusableRow;
  /** For formats with two consecutive rows per preference: whether two rows belong together. */
  readonly isRowPair?: (first: DataRow, second: DataRow) => boolean;
}

/** A response and, if its field holds a whole conversation, the messages before it. */
interface ResponseInContext {
  readonly context: readonly ChatMessage[];
  readonly response: string;
}

/** Reads a response: a text, or messages of which the last one is the response. */
export function readResponse(row: DataRow, field: string): ResponseInContext | UnusableRow {
  const read = readTextOrMessages(row, field);
  if (typeof read === 'string') return { context: [], response: read };
  if ('reason' in read) return read;
  const last = read.at(-1);
  return last?.role === 'assistant'
    ? { context: read.slice(0, -1), response: last.content }
    : failedRow(`"${field}" does not end with an assistant message`);
}

/** Reads a request: a text of the user, or the messages of a conversation. */
export function readTurns(row: DataRow, field: string): readonly ChatMessage[] | UnusableRow {
  const read = readTextOrMessages(row, field);
  return typeof read === 'string' ? [{ role: 'user', content: read }] : read;
}

/** Reads a text, which may be a list of parts, or messages, which may be a JSON text. */
function readTextOrMessages(row: DataRow, field: string): string | ChatMessage[] | UnusableRow {
  const value = parseJsonConversation(row[field]);
  if (typeof value === 'string') return value;
  if (value === undefined) return failedRow(`no field "${field}"`);
  if (value === null) return failedRow(`"${field}" is null`);
  if (typeof value !== 'object') return failedRow(`"${field}" is neither text nor messages`);
  if (!isPartList(value)) return parseMessages(value, field);
  const text = parseContent(value, field);
  return typeof text === 'string' || 'reason' in text ? text : failedRow(`"${field}" has no text`);
}

/** Makes a preference of a conversation and two responses to it. */
export function buildPreference(
  turns: readonly ChatMessage[] | UnusableRow,
  chosen: ResponseInContext | UnusableRow,
  rejected: ResponseInContext | UnusableRow,
  field: string,
): PreferenceTexts | UnusableRow {
  for (const part of [turns, chosen, rejected]) if ('reason' in part) return part;
  const [messages, better, worse] = [turns, chosen, rejected] as [
    readonly ChatMessage[],
    ResponseInContext,
    ResponseInContext,
  ];
  if (messages.at(-1)?.role !== 'user') return failedRow(`"${field}" does not end with a user message`);
  return { ...userRequestOf(messages), chosen: better.response, rejected: worse.response };
}

/** The messages before both responses if the fields hold whole conversations; empty if neither does. */
export function sharedContext(
  chosen: ResponseInContext,
  rejected: ResponseInContext,
): readonly ChatMessage[] | UnusableRow {
  const contexts = [chosen.context, rejected.context].filter((context) => context.length > 0);
  const [first = [], second = first] = contexts;
  return isSameMessages(first, second)
    ? first
    : failedRow('"chosen" and "rejected" differ before their last message');
}

export function isSameMessages(first: readonly ChatMessage[], second: readonly ChatMessage[]): boolean {
  return JSON.stringify(first) === JSON.stringify(second);
}
