/** Texts that a terminal, a log or a title must never get as they are. */
export const HOSTILE = {
  link: '\u001b]8;;https://evil.example\u001b\\click\u001b]8;;\u001b\\',
  clipboard: '\u001b]52;c;cm0gLXJmIH4=\u0007',
  title: '\u001b]0;owned\u0007',
  clear: '\u001b[2J\u001b[1;1H',
  c1: '\u0080\u0084\u0085\u0090x\u009c\u009b31m\u009d52;c;eA==\u009f',
  embeddings: 'txt\u202Aa\u202Bb\u202Cc\u202Dd\u202Egpj.exe',
  isolates: '\u2066a\u2067b\u2068c\u2069',
  marks: '\u200Eltr\u200Frtl\u061Carabic',
  separators: 'a\u2028b\u2029c',
  delete: 'a\u007fb\u0000c\u0008d',
  surrogate: 'a\uD800b',
  carriage: 'shown\rhidden',
} as const;

/** All of them in one text, on one line. */
export const HOSTILE_LINE = Object.values(HOSTILE).join(' ');

/** Control and bidirectional characters, except for the line break and the tab of a layout. */
export const RAW =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/u;
