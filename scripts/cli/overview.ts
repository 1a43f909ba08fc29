import { COMMAND_GROUPS } from './commands/index.ts';
import { PROGRAM } from './program.ts';

/** Made by yargs for every command line. */
export const COMPLETION = {
  usage: 'completion',
  summary: 'Print a script that completes commands, options and names of runs in bash or zsh.',
} as const;

const INDENT = 2;
const GAP = 2;

/** The help without a command: every command by its group. */
export function overview(columns: number): string {
  const groups = [
    ...COMMAND_GROUPS.map(({ title, commands }) => ({ title, rows: commands })),
    { title: 'Shell', rows: [COMPLETION] },
  ];
  const usages = groups.flatMap(({ rows }) => rows.map(({ usage }) => usage.length));
  const from = INDENT + Math.max(...usages) + GAP;
  return [
    `${PROGRAM} <command>`,
    '',
    ...groups.flatMap(({ title, rows }) => [
      `${title}:`,
      ...rows.flatMap(({ usage, summary }) => row(usage, summary, from, columns)),
      '',
    ]),
    `"${PROGRAM} <command> --help" says what a command takes, with examples. Every command has --json;`,
    'docs/cli.md has all of it, with exit codes and environment variables.',
  ].join('\n');
}

function row(usage: string, summary: string, from: number, columns: number): string[] {
  const lines = wrapped(summary, columns - from);
  return lines.map(
    (line, index) => `${(index === 0 ? `${' '.repeat(INDENT)}${usage}` : '').padEnd(from)}${line}`,
  );
}

/** The text in lines of at most so many characters, unless a word alone is longer. */
function wrapped(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= most)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
