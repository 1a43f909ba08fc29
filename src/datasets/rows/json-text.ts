import { nestingProblem } from '../../platform/nesting.ts';

/** Matches a string, or a number that JSON lacks and Python writes: pandas writes a missing value as NaN. */
const STRING_OR_NON_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:NaN|Infinity)\b/gs;

/**
 * Parses a JSON text. `NaN`, `Infinity` and `-Infinity`, which Python writes and JSON lacks, become null: the value is missing.
 * @throws SyntaxError; also if the value is nested too deeply for functions that call themselves for each level
 */
export function parseJson(text: string): unknown {
  const value = parseWithNonNumbers(text);
  const problem = nestingProblem(value);
  if (problem !== undefined) throw new SyntaxError(problem);
  return value;
}

function parseWithNonNumbers(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    return JSON.parse(
      text.replace(STRING_OR_NON_NUMBER, (match) => (match.startsWith('"') ? match : 'null')),
    );
  }
}

/** The longest text of a row of a data file: more than any model reads, and little enough for the memory of a worker. */
export const MAX_ROW_CHARACTERS = 2 ** 24;

/**
 * Joins a text that comes in chunks into lines, which end with a newline, a carriage return or both.
 *
 * @param options.maxLength a line that is longer may be cut after more than so many characters
 */
export async function* splitLines(
  chunks: AsyncIterable<string>,
  { maxLength = Infinity }: { readonly maxLength?: number } = {},
): AsyncGenerator<string> {
  let pending = '';
  // The newline after a carriage return may come with the next chunk.
  let held = '';
  for await (const chunk of chunks) {
    let text = held + chunk;
    held = text.endsWith('\r') ? '\r' : '';
    if (held !== '') text = text.slice(0, -1);
    const lines = text.includes('\r') ? text.split(/\r\n|[\r\n]/) : text.split('\n');
    lines[0] = pending.length > maxLength ? pending : pending + (lines[0] ?? '');
    pending = lines.pop() ?? '';
    yield* lines;
  }
  if (pending + held !== '') yield pending;
}

/**
 * Cuts the text of a JSON array, which comes in chunks, into the texts of its elements. An element is not checked: only its
 * brackets and strings are followed. One that is longer than {@link MAX_ROW_CHARACTERS} is cut after more than so many.
 * @throws SyntaxError if the array has no end, or text follows it
 */
export async function* splitArray(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let element = '';
  let depth = 0;
  let elements = 0;
  let state: 'before' | 'value' | 'string' | 'escape' | 'after' = 'before';
  const add = (text: string) => {
    if (element.length <= MAX_ROW_CHARACTERS) element += text;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const character = chunk[at] as string;
      if (state === 'string') {
        if (character === '"') state = 'value';
        else if (character === '\\') state = 'escape';
      } else if (state === 'escape') state = 'string';
      else if (state === 'value') {
        if (character === '"') state = 'string';
        else if (character === '{' || character === '[') depth += 1;
        else if (depth > 0 && (character === '}' || character === ']')) depth -= 1;
        else if (depth === 0 && (character === ',' || character === ']')) {
          add(chunk.slice(from, at));
          from = at + 1;
          const isEmptyArray = character === ']' && elements === 0 && element.trim() === '';
          if (!isEmptyArray) yield element;
          elements += 1;
          element = '';
          if (character === ']') state = 'after';
        }
      } else if (state === 'before' && character === '[') {
        state = 'value';
        from = at + 1;
      } else if (!/\s/.test(character)) {
        throw new SyntaxError(state === 'after' ? 'text follows the end of the array' : 'it is no array');
      }
    }
    if (state !== 'before' && state !== 'after') add(chunk.slice(from));
  }
  if (state !== 'after') throw new SyntaxError('the array has no end');
}
