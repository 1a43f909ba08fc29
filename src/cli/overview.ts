import { COMMAND_GROUPS } from './commands/index.ts';
import { PROGRAM_NAME } from '../platform/program.ts';

/** The command that yargs itself provides. */
export const COMPLETION = {
  usage: 'completion',
  summary: 'Print a script for bash or zsh that completes commands, options and names of runs.',
} as const;

const INDENT = 2;
const GAP = 2;

/** The help of the program: every command with its summary, by group. */
export function overview(columns: number): string {
  const groups = [
    ...COMMAND_GROUPS.map(({ title, commands }) => ({ title, rows: commands })),
    { title: 'Shell', rows: [COMPLETION] },
  ];
  const usages = groups.flatMap(({ rows }) => rows.map(({ usage }) => usage.length));
  const from = INDENT + Math.max(...usages) + GAP;
  return [
    `${PROGRAM_NAME} <command>`,
    '',
    ...groups.flatMap(({ title, rows }) => [
      `${title}:`,
      ...rows.flatMap(({ usage, summary }) => commandRow(usage, summary, from, columns)),
      '',
    ]),
    `"${PROGRAM_NAME} <command> --help" lists the options of a command, with examples.`,
    'Every command has --json. docs/cli.md describes commands, exit codes and environment variables.',
  ].join('\n');
}

function commandRow(usage: string, summary: string, from: number, columns: number): string[] {
  const lines = wrapText(summary, columns - from);
  return lines.map(
    (line, index) => `${(index === 0 ? `${' '.repeat(INDENT)}${usage}` : '').padEnd(from)}${line}`,
  );
}

/** Breaks the text into lines of at most `maxLength` characters; a longer word gets a line of its own. */
function wrapText(text: string, maxLength: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= maxLength)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
