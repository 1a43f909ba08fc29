import { droppedRow, failedRow, type UnusableRow } from '../rows/unusable-row.ts';
import type { JsonObject } from '../../platform/is-object.ts';
import { messageItems, messageRole, parseItems, parseTurn } from '../messages/parse-messages.ts';
import { userRequestOf, type UserRequest } from '../../method/conversation.ts';

/** The instruction of a row, with what the file says about it. */
export interface InstructionRow extends UserRequest {
  /** In the file's notation: `English`, `en`, `pt-BR`. */
  readonly language?: string | undefined;
  /** True if the file marks it as toxic, or as redacted because it contained personal data. */
  readonly toxic?: boolean;
  readonly redacted?: boolean;
  /** Number of user messages in the conversation; 1 for a single instruction. */
  readonly turns: number;
}

/** A row format of instructions. Each has its own file and a line in `registry.ts`. */
export interface InstructionFormat {
  readonly name: string;
  /** The columns that identify the format and must exist. */
  readonly requiredColumns: readonly string[];
  /** Columns that are read if they exist. All other columns are ignored. */
  readonly optionalColumns: readonly string[];
  read(row: Readonly<Record<string, unknown>>): InstructionRow | UnusableRow;
}

/** Reads a text field. */
export function readTextField(row: Readonly<Record<string, unknown>>, field: string): string | UnusableRow {
  const value = row[field];
  if (typeof value === 'string') return value;
  if (value === undefined) return failedRow(`no field "${field}"`);
  const found = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  return failedRow(`"${field}" is ${found}, not text`);
}

/**
 * Reads a conversation up to its last user message. The messages after it are ignored, because they answer it. An empty
 * last user message makes the row unusable.
 */
export function readConversation(
  row: Readonly<Record<string, unknown>>,
  field: string,
): InstructionRow | UnusableRow {
  const items = messageItems(row[field], field);
  if ('reason' in items) return items;
  const last = items.findLastIndex((item) => isUserMessage(item, field));
  const turns = parseItems(last < 0 ? items : items.slice(0, last + 1), field);
  if ('reason' in turns) return turns;
  if (last < 0) return droppedRow('no user message');
  if (turns.at(-1)?.content.trim() === '') return droppedRow('empty instruction');
  return { ...userRequestOf(turns), turns: turns.filter(({ role }) => role === 'user').length };
}

/** Tells the user's messages from others. Some services write the result of a tool as a message of the user. */
function isUserMessage(item: JsonObject, field: string): boolean {
  if (messageRole(item) !== 'user') return false;
  const turn = parseTurn(item, field);
  return 'reason' in turn || turn.role === 'user';
}
