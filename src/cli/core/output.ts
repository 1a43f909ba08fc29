/** The only writers to standard output and standard error: no text from outside reaches the terminal raw, and no key. */
import { maskSecrets, maskSecretsInJson } from '../../platform/secrets.ts';
import { escapeInJson, safeLines } from '../../platform/shown-text.ts';

/** Prints the result of a command for a person. */
export function printText(text: string): void {
  console.log(shownText(text));
}

/** Prints the result of a command for a program. */
export function printJson(value: unknown, indent?: number): void {
  console.log(shownJson(value, indent));
}

/** Prints the result of a command: as JSON with `--json`, else as text. */
export function printResult(json: boolean, value: unknown, text: () => string): void {
  if (json) printJson(value);
  else printText(text());
}

/** Prints to standard error, which has messages and progress. */
export function printError(text: string): void {
  console.error(shownText(text));
}

/** Prints an error for a program that reads the last line of standard error. */
export function printErrorJson(value: unknown): void {
  console.error(shownJson(value));
}

/** Writes a line to a stream. */
export function writeLine(stream: NodeJS.WritableStream, text: string): void {
  stream.write(`${shownText(text)}\n`);
}

/** A text of several lines for a terminal, in which values are on one line by `oneLine`. */
export function shownText(text: string): string {
  return safeLines(maskSecrets(text));
}

function shownJson(value: unknown, indent?: number): string {
  return escapeInJson(maskSecretsInJson(JSON.stringify(value, undefined, indent), indent));
}
