/**
 * What messages of this process may quote of texts from outside. A worker's messages go to Temporal, where others read them
 * than those who may read the store: they hold no prompt, response or judgment, unless the operator allows it. Whatever else
 * the texts say is in the worker's log. A command quotes them to its own user.
 */
import { LEFT_OUT, publicWords } from './public-words.ts';
import { maskSecrets } from './secrets.ts';
import { safeLines } from './shown-text.ts';

let withheld: ((text: string) => void) | undefined;
/** How often a text was withheld, so that the log has it once and not for each of a million records. */
const times = new Map<string, number>();
const MAX_TEXTS = 1000;

/** From now on the messages of this process leave out what could be part of a prompt; it goes to `log`. */
export function withholdQuotes(log: (text: string) => void): void {
  withheld = log;
}

/** Allows quotes again. */
export function allowQuotes(): void {
  withheld = undefined;
}

interface QuoteContext {
  /** The one who says it, as the subject of a sentence in the log; a text that is in a log or in a file of its own has none. */
  readonly by?: string;
  /** Texts whose words are no secret. */
  readonly known?: readonly string[];
  /** The texts of the request. */
  readonly sent?: readonly string[];
}

/** A text from outside as a message may quote it. */
export function quote(text: string, { by, known = [], sent = [] }: QuoteContext = {}): string {
  const shown = safeLines(maskSecrets(text));
  if (withheld === undefined) return shown;
  const kept = shown
    .split('\n')
    .map((line) => publicWords(line, known, sent))
    .join('\n');
  if (by !== undefined && kept !== shown) logOnce(by, kept, shown, withheld);
  return kept;
}

/** The lines of a log of another program, as a message may quote them: those of which nothing may be quoted are left out. */
export function quoteLog(text: string): string {
  const shown = quote(text);
  if (withheld === undefined) return shown;
  return shown
    .split('\n')
    .filter((line) => /\w/.test(line.replaceAll(LEFT_OUT, '')))
    .join('\n');
}

/** Logs the first text that is shown like this, the second, the fourth, the eighth. */
function logOnce(by: string, kept: string, shown: string, log: (text: string) => void): void {
  const key = `${by} ${kept}`;
  const count = (times.get(key) ?? 0) + 1;
  if (times.size >= MAX_TEXTS) times.clear();
  times.set(key, count);
  if (Number.isInteger(Math.log2(count)))
    log(`${by}: ${shown}${count === 1 ? '' : ` (or the like, ${count} times)`}`);
}
