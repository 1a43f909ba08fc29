import { readdirSync } from 'node:fs';
import { COMMANDS } from './commands/index.ts';
import { STORE } from '../../src/worker-options.ts';

type Filter = (onCompleted: (error: Error | null, found: readonly string[] | undefined) => void) => void;

/** What the shell offers: what yargs knows, and names of runs where a command takes one. */
export function completions(
  current: string,
  argv: { readonly _?: readonly (string | number)[] },
  known: Filter,
  done: (found: string[]) => void,
): void {
  known((_error, found = []) => done([...found, ...(takesRun(argv._ ?? []) ? runNames(current) : [])]));
}

/** Whether what is being written is the name of a run. */
function takesRun(words: readonly (string | number)[]): boolean {
  const command = COMMANDS.find(({ name }) => words.includes(name));
  return Object.values(command?.positionals ?? {}).some(({ completes }) => completes === 'runs');
}

/** From the store alone: a completion waits for no network. */
function runNames(beginning: string): string[] {
  try {
    const entries = readdirSync(process.env[STORE.variable] || STORE.default, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .filter((name) => name.startsWith(beginning));
  } catch {
    return [];
  }
}
