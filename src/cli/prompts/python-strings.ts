/**
 * Finds string constants in Python source without running it: `NAME = "a" "b"`, with parentheses, comments between the
 * parts, triple quotes and `.strip()`; or the value of a key in a list or dictionary that is assigned to a name.
 *
 * @param key the key of the value, such as `content`; without it the assigned value itself
 * @param occurrence counts the values of the key from 0
 * @returns undefined if there is no such string
 */
export function pythonString(
  source: string,
  name: string,
  { key, occurrence = 0 }: { readonly key?: string; readonly occurrence?: number } = {},
): string | undefined {
  const assignment = new RegExp(`^[ \\t]*${name}\\s*=\\s*`, 'm').exec(source);
  if (assignment === null) return undefined;
  const value = assignment.index + assignment[0].length;
  if (key === undefined) return stringAt(source, value);
  const keys = [...source.slice(value).matchAll(new RegExp(`["']${key}["']\\s*:\\s*`, 'g'))];
  const found = keys[occurrence];
  return found === undefined ? undefined : stringAt(source, value + found.index + found[0].length);
}

const SPACE = /(?:\s|#[^\n]*)*/y;
const LITERAL = /([rRuU]?)("""|'''|"|')/y;

/** The adjacent string literals at a position as one string. */
function stringAt(source: string, start: number): string | undefined {
  let at = start;
  const skip = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    at += found?.[0].length ?? 0;
    return found;
  };
  const isOpen = skip(/\(/y) !== null;
  const parts: string[] = [];
  for (;;) {
    const before = at;
    // Without parentheses an expression ends with its line.
    if (isOpen) skip(SPACE);
    else skip(/[ \t]*/y);
    const literal = skip(LITERAL);
    if (literal === null) {
      at = before;
      break;
    }
    const [, prefix = '', quotes = ''] = literal;
    const end = closingQuotes(source, at, quotes);
    if (end === undefined) return undefined;
    const raw = source.slice(at, end);
    parts.push(prefix.toLowerCase() === 'r' ? raw : unescaped(raw));
    at = end + quotes.length;
  }
  if (parts.length === 0) return undefined;
  if (isOpen) {
    skip(SPACE);
    if (skip(/\)/y) === null) return undefined;
  }
  const text = parts.join('');
  const isStripped = skip(/\.strip\(\)/y) !== null;
  // Anything behind it, such as a sum or a format, would change the value.
  if (skip(/[ \t]*(?:#[^\n]*)?(?=$|[\n,)\]}])/y) === null) return undefined;
  return isStripped ? text.trim() : text;
}

function closingQuotes(source: string, start: number, quotes: string): number | undefined {
  for (let at = start; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source.startsWith(quotes, at)) return at;
    else if (quotes.length === 1 && source[at] === '\n') return undefined;
  }
  return undefined;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** Resolves escapes as Python does, which keeps the backslash of an unknown one. */
function unescaped(text: string): string {
  return text.replaceAll(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|([^]))/g, (whole, x, u, one: string) => {
    const code = (x ?? u) as string | undefined;
    return code === undefined ? (ESCAPES[one] ?? whole) : String.fromCharCode(Number.parseInt(code, 16));
  });
}
