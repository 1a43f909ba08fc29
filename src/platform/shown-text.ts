/**
 * Text from outside (of endpoints, models, data files, logs of other programs, Temporal) as it may be shown: a terminal obeys
 * no part of it, and it can't reorder the text around it. Uses nothing of Node's, because workflows need it too.
 */

/** Control characters (C0, DEL, C1), those that change the direction of text, and separators of lines and paragraphs. */
const HIDDEN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]+/gu;
/** The same without the line break and the tab of a layout. */
const HIDDEN_IN_LINES = /[^\P{Cc}\n\t]+|[\p{Bidi_Control}\u2028\u2029]+/gu;
/** Those that `JSON.stringify` writes as they are. */
const RAW_IN_JSON = /[\u007f-\u009f\p{Bidi_Control}\u2028\u2029]/gu;

/** A value on one line: each run of control and bidirectional characters is a blank, a lone surrogate is U+FFFD. */
export function oneLine(text: string): string {
  return text.replaceAll(HIDDEN, ' ').toWellFormed();
}

/** A text of several lines. Values must be in it by `oneLine`: the line break of a name would look like one of the layout. */
export function safeLines(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(HIDDEN_IN_LINES, ' ').toWellFormed();
}

/** JSON that a terminal may print: its data are exact, and every control or bidirectional character is escaped. */
export function safeJson(value: unknown, indent?: number): string {
  return escapeInJson(JSON.stringify(value, undefined, indent));
}

/** Escapes the control and bidirectional characters that JSON still contains. */
export function escapeInJson(json: string): string {
  return json.replaceAll(RAW_IN_JSON, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
