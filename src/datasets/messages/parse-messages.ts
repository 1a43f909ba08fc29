/** Reads the messages of a conversation in the forms that data sets use. */
import type { ChatMessage } from '../../method/prompt-template.ts';
import { parseContent } from './message-content.ts';
import { isObject, type JsonObject } from '../../platform/is-object.ts';
import { isFilled, keyOf, keysOf, kindOf, quotedName } from '../rows/json-object.ts';
import { parseJson } from '../rows/json-text.ts';
import { failedRow, type UnusableRow } from '../rows/unusable-row.ts';

/** The speaker of a message. `tool` stands for calls of tools and their results, which a judge isn't shown. */
type Role = ChatMessage['role'] | 'tool';

/** The names that data sets use for the roles, in small letters. */
const ROLES: ReadonlyMap<string, Role> = new Map(
  Object.entries({
    system: ['system', 'developer', 'instructions'],
    user: ['user', 'human', 'prompter', 'customer'],
    assistant: [
      'assistant',
      'gpt',
      'model',
      'bot',
      'ai',
      'chatbot',
      'chatgpt',
      'claude',
      'bing',
      'bard',
      'llm',
    ],
    tool: [
      ...['tool', 'function', 'observation', 'ipython', 'environment', 'tool_output', 'tool_result'],
      ...['tool_response', 'function_response', 'tool_call', 'tool_calls', 'function_call', 'tools'],
    ],
  }).flatMap(([role, names]) => names.map((name) => [name, role as Role] as const)),
);

const ROLE_KEYS = ['role', 'from', 'speaker', 'author', 'sender'];
const TEXT_KEYS = ['content', 'value', 'text', 'message', 'parts', 'utterance'];
/** The fields of an object around a list of messages. */
const LIST_KEYS = ['messages', 'conversation', 'conversations', 'turns', 'dialogue', 'dialog'];

/** A message of a file, of which a call of a tool or its result has no text. */
interface Turn {
  readonly role: Role;
  readonly text: string;
}

/**
 * Reads a list of messages. A message has a role and a content: `{role, content}`, ShareGPT's `{from, value}`, and other
 * names of these fields. The content is a text or a list of parts. The list may also be a JSON text, lie in an object such
 * as `{messages: [...]}`, or be an object of two lists.
 *
 * Calls of tools and their results are left out, and the texts of the assistant around them become one message.
 *
 * @param field the name of the column for the reason of a failure, of which there are only a few
 */
export function parseMessages(value: unknown, field: string): ChatMessage[] | UnusableRow {
  const items = messageItems(value, field);
  if ('reason' in items) return items;
  return parseItems(items, field);
}

/** Reads messages that were found by `messageItems`. */
export function parseItems(items: readonly JsonObject[], field: string): ChatMessage[] | UnusableRow {
  const turns: Turn[] = [];
  for (const item of items) {
    const turn = parseTurn(item, field);
    if ('reason' in turn) return turn;
    turns.push(turn);
  }
  return withoutTools(turns);
}

/** Returns the messages of a text that is the JSON of a conversation; any other value unchanged. */
export function parseJsonConversation(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value) || !/[\]}]\s*$/.test(value)) return value;
  try {
    const items = messageItems(parseJson(value), '');
    if ('reason' in items) return value;
    const isConversation = items.every(
      (item) => messageRole(item) !== undefined && keyOf(item, TEXT_KEYS) !== undefined,
    );
    return isConversation ? items : value;
  } catch {
    return value;
  }
}

/** The messages of a list, not yet read. */
export function messageItems(value: unknown, field: string): readonly JsonObject[] | UnusableRow {
  const notList = (found: string) => failedRow(`"${field}" is not a list of messages: ${found}`);
  if (value === undefined) return failedRow(`no field "${field}"`);
  if (value === null) return failedRow(`"${field}" is null`);
  if (typeof value === 'string') {
    let parsed: unknown;
    try {
      parsed = parseJson(value);
    } catch {
      return notList(
        /^\s*[[{]\s*[{[]?\s*'/.test(value)
          ? "it is a text in Python's notation; write JSON (json.dumps)"
          : 'it is a text that is not JSON',
      );
    }
    return typeof parsed === 'string' || parsed === null
      ? notList('it is a text')
      : messageItems(parsed, field);
  }
  if (Array.isArray(value)) {
    const list = value as unknown[];
    const [first] = list;
    if (list.length === 0) return notList('it is empty');
    // A list in the list is a conversation, unless it is the only message, written as `["user", "text"]`.
    if (list.length === 1 && Array.isArray(first) && !isRoleAndText(first)) return messageItems(first, field);
    if (list.length === 1 && isObject(first) && !isMessageLike(first)) {
      const inner = keyOf(first, LIST_KEYS);
      if (inner !== undefined) return messageItems(first[inner], field);
    }
    const items: JsonObject[] = [];
    for (const item of list) {
      if (isObject(item)) items.push(...pairTurns(item));
      else if (isRoleAndText(item)) items.push({ role: item[0], content: item[1] });
      else return notList(`it contains ${kindOf(item)}; a message needs "role" and "content"`);
    }
    return items;
  }
  if (!isObject(value)) return notList(`it is ${kindOf(value)}`);
  return itemsOfObject(value, field) ?? notList(`it is an object with the keys ${keysOf(value)}`);
}

/** The messages of an object: one message, a list inside, or a list for each field. */
function itemsOfObject(value: JsonObject, field: string): readonly JsonObject[] | UnusableRow | undefined {
  const [roleKey, textKey] = [keyOf(value, ROLE_KEYS), keyOf(value, TEXT_KEYS)];
  const inner = keyOf(value, LIST_KEYS);
  if (roleKey !== undefined && textKey !== undefined) {
    const [roles, texts] = [value[roleKey], value[textKey]];
    if (!Array.isArray(roles)) return [value];
    // The library `datasets` stores a list of objects as an object of lists.
    if (Array.isArray(texts) && texts.length === roles.length)
      return roles.map((role: unknown, index) => ({ role, content: texts[index] as unknown }));
  }
  return inner === undefined ? undefined : messageItems(value[inner], field);
}

/** A message, or the messages of a turn with a field for each speaker: `{human: ..., assistant: ...}`. */
function pairTurns(item: JsonObject): readonly JsonObject[] {
  if (isMessageLike(item)) return [item];
  const speakers = Object.entries(item).filter(
    ([key, text]) => roleOf(key) !== undefined && typeof text === 'string',
  );
  const isTurn = speakers.length > 1 || speakers.length === Object.keys(item).length;
  return isTurn && speakers.length > 0 ? speakers.map(([role, content]) => ({ role, content })) : [item];
}

/** Reads one message in any of its forms. */
export function parseTurn(item: JsonObject, field: string): Turn | UnusableRow {
  const roleKey = keyOf(item, ROLE_KEYS);
  const textKey = keyOf(item, TEXT_KEYS);
  const isCall = ['tool_calls', 'function_call'].some((key) => isFilled(item[key]));
  if (roleKey === undefined || (textKey === undefined && !isCall)) {
    const missing = roleKey === undefined ? 'a role' : 'a content';
    return failedRow(
      `"${field}" has a message without ${missing}: its keys are ${keysOf(item)}; ` +
        'a message needs "role" and "content", or "from" and "value"',
    );
  }
  const name = speakerOf(item[roleKey]);
  const role = name === undefined ? undefined : roleOf(name);
  if (role === undefined) return failedRow(`"${field}" has the unknown role ${quotedName(item[roleKey])}`);
  if (role === 'tool') return { role, text: '' };
  const content = textKey === undefined ? null : item[textKey];
  // A message that only calls tools has no content; in Parquet the field of the calls may have become null.
  if (!isFilled(content) && (isCall || (role === 'assistant' && content === null && 'tool_calls' in item)))
    return { role: 'tool', text: '' };
  const read = parseContent(content, field);
  if (typeof read !== 'string') return 'reason' in read ? read : { role: 'tool', text: '' };
  return { role, text: read };
}

/** The role of a message in any of its forms; undefined for an unknown one. */
export function messageRole(item: JsonObject): Role | undefined {
  const key = keyOf(item, ROLE_KEYS);
  const name = key === undefined ? undefined : speakerOf(item[key]);
  return name === undefined ? undefined : roleOf(name);
}

/** Chat templates want the speakers to alternate, so the texts of the assistant before and after a tool become one. */
function withoutTools(turns: readonly Turn[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let afterTool = false;
  for (const { role, text } of turns) {
    const last = messages.at(-1);
    if (role === 'tool') afterTool = true;
    else {
      if (afterTool && role === 'assistant' && last?.role === 'assistant')
        messages[messages.length - 1] = {
          role,
          content: [last.content, text].filter((part) => part.trim() !== '').join('\n\n'),
        };
      else messages.push({ role, content: text });
      afterTool = false;
    }
  }
  return messages;
}

function roleOf(name: string): Role | undefined {
  return ROLES.get(name.trim().toLowerCase().replaceAll('-', '_'));
}

/** The name of a speaker: a text, or ChatGPT's `{role: ...}`. */
function speakerOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isObject(value) && typeof value['role'] === 'string' ? value['role'] : undefined;
}

function isMessageLike(item: JsonObject): boolean {
  return keyOf(item, ROLE_KEYS) !== undefined;
}

function isRoleAndText(item: unknown): item is readonly [string, unknown] {
  return (
    Array.isArray(item) && item.length === 2 && typeof item[0] === 'string' && roleOf(item[0]) !== undefined
  );
}
