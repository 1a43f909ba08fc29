import { readdirSync } from 'node:fs';
import { COMMANDS } from './commands/index.ts';
import { oneLine } from '../platform/shown-text.ts';
import { STORE } from '../worker/options.ts';

type DefaultCompletions = (
  onCompleted: (error: Error | null, completions: readonly string[] | undefined) => void,
) => void;

/** Completes the current word: by yargs's own completions, and by names of runs if the command takes one. */
export function completions(
  current: string,
  argv: { readonly _?: readonly (string | number)[] },
  defaultCompletions: DefaultCompletions,
  done: (completions: string[]) => void,
): void {
  defaultCompletions((_error, words = []) =>
    done([...words, ...(takesRun(argv._ ?? []) ? runNames(current) : [])]),
  );
}

/** Returns whether the command takes the name of a run. */
function takesRun(words: readonly (string | number)[]): boolean {
  const command = COMMANDS.find(({ name }) => words.includes(name));
  return Object.values(command?.positionals ?? {}).some(({ completes }) => completes === 'runs');
}

/** Names of the runs in the store. Temporal is not asked: a completion must not wait for the network. */
function runNames(prefix: string): string[] {
  try {
    const entries = readdirSync(process.env[STORE.variable] || STORE.default, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .filter((name) => name.startsWith(prefix) && oneLine(name) === name);
  } catch {
    return [];
  }
}
