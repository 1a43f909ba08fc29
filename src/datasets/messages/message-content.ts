/** Reads the content of a message in the forms that data sets use. */
import { isObject, type JsonObject } from '../../platform/is-object.ts';
import { keyOf, keysOf, kindOf, quotedName } from '../rows/json-object.ts';
import { droppedRow, failedRow, type UnusableRow } from '../rows/unusable-row.ts';

/** Parts of a message that are not text, and are not shown to a judge. */
const TOOL_PARTS = /^(tool|function|server_tool)/;
const REASONING_PARTS = /^(thinking|reasoning|redacted_thinking)/;
const TEXT_PARTS = new Set(['text', 'input_text', 'output_text']);
/** The fields of parts without a type. */
const TOOL_FIELDS = ['functionCall', 'functionResponse', 'function_call', 'function_response', 'tool_use'];
const MEDIA_FIELDS = [
  'image_url',
  'image',
  'audio',
  'video',
  'inlineData',
  'inline_data',
  'fileData',
  'file_data',
];

/** Reads a content: a text, a list of parts, or an object with one of them. `onlyTools`: it has no part for a reader. */
export function parseContent(content: unknown, field: string): string | UnusableRow | { onlyTools: true } {
  if (typeof content === 'string') return content;
  const notText = (found: string) =>
    failedRow(`"${field}" has a message whose content is not text: it is ${found}`);
  if (isObject(content)) {
    const inner = keyOf(content, ['parts', 'text', 'content', 'value']);
    return inner === undefined || isPartList([content])
      ? parseContent([content], field)
      : parseContent(content[inner], field);
  }
  if (!Array.isArray(content)) return notText(kindOf(content));
  const texts: string[] = [];
  let tools = 0;
  for (const part of content as unknown[]) {
    if (typeof part === 'string') {
      texts.push(part);
      continue;
    }
    if (!isObject(part)) return notText(`a list that contains ${kindOf(part)}`);
    const type = typeof part['type'] === 'string' ? part['type'] : partKind(part);
    const text = isObject(part['text']) ? part['text']['value'] : part['text'];
    if (REASONING_PARTS.test(type)) continue;
    if (TOOL_PARTS.test(type)) tools += 1;
    else if (!TEXT_PARTS.has(type))
      return droppedRow(`"${field}" has a part of the type ${quotedName(type)}, which is not text`);
    else if (typeof text === 'string') texts.push(text);
    else return notText(`a list with a part that has the keys ${keysOf(part)}`);
  }
  if (texts.length === 0) return tools > 0 ? { onlyTools: true } : notText('a list without text');
  return texts.reduce(joinTexts);
}

/** The type of a part without one, by its fields. */
function partKind(part: JsonObject): string {
  const media = keyOf(part, MEDIA_FIELDS);
  if (media !== undefined && part[media] !== null) return media;
  return keyOf(part, TOOL_FIELDS) === undefined ? 'text' : 'tool_use';
}

/** Joins two parts: with a line between them, unless one of them brings white space. */
function joinTexts(before: string, text: string): string {
  return /\s$/.test(before) || /^\s/.test(text) || before === '' || text === ''
    ? before + text
    : `${before}\n${text}`;
}

/** Recognises one text that is a list of parts, without a role. */
export function isPartList(value: unknown): value is readonly unknown[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (part) => isObject(part) && typeof part['type'] === 'string' && !('role' in part || 'from' in part),
    )
  );
}
