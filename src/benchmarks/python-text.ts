/** White space as Python defines it, which official parsers are written in. JavaScript's definition differs. */

const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const isSpace = new RegExp(`^${SPACE}$`);

/** Python's `str.strip()`. Unlike `trim`, it keeps a byte order mark and removes the separators U+001C to U+001F. */
export function pythonStrip(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace.test(text.charAt(start))) start += 1;
  while (end > start && isSpace.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}
