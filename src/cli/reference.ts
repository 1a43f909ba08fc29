/** Generates docs/cli.md from the definitions of the commands. */
import type { Command } from './core/define-command.ts';
import { COMMAND_GROUPS, COMMANDS } from './commands/index.ts';
import { EXIT_REASON_MEANINGS, EXIT_CODES, type ExitReason } from './core/exit-codes.ts';
import { COMPLETION } from './overview.ts';
import { PROGRAM_CALL, PROGRAM_NAME } from '../platform/program.ts';

/** Environment variables that have no option. */
const VARIABLES: readonly (readonly [name: string, meaning: string])[] = [
  [
    'TEMPORAL_ADDRESS',
    'Host and port of the Temporal server; by default the development server on this machine.',
  ],
  ['TEMPORAL_NAMESPACE', 'The namespace; `default` by default.'],
  ['TEMPORAL_API_KEY', 'The key of Temporal Cloud.'],
  ['TEMPORAL_TLS_*', 'Certificates, as the Temporal CLI reads them.'],
  [
    'TEMPORAL_ENCRYPTION_KEYS_FILE',
    'A file with the keys that encrypt payloads, `ID:KEY` on each line, the newest first; `TEMPORAL_ENCRYPTION_KEYS` holds the same text itself. See docs/security.md.',
  ],
  ['TEMPORAL_PROFILE', 'A profile of the Temporal CLI, which sets all of these.'],
  [
    'SELF_TAUGHT_EVALUATOR_CACHE',
    "The folder for installed dependencies; by default in the user's cache folder.",
  ],
  [
    'SELF_TAUGHT_EVALUATOR_PYTHON',
    'A Python with the packages of `trainer/requirements.txt`, used instead of the installed environment.',
  ],
  [
    'SELF_TAUGHT_EVALUATOR_TEMPORAL',
    'A Temporal CLI, used instead of the one on the PATH or the installed one.',
  ],
  ['TORCH_BACKEND', "`cpu` installs PyTorch's smaller build without GPU."],
  ['HF_ENDPOINT, HF_TOKEN', 'The Hugging Face hub, and the token for it.'],
  ['NO_COLOR', 'No colours in the progress.'],
];

/** The reference as Markdown. */
export function commandReference(): string {
  return [
    '# Command line',
    `\`${PROGRAM_CALL} <command>\` in a checkout, or in a folder where the package is installed; \`npm link\` in a checkout puts \`${PROGRAM_NAME}\` on the PATH for all folders. The npm scripts ` +
      '`demo`, `temporal`, `worker`, `follow` and `setup` run the commands of these names: options follow after `--`.',
    table(
      ['command', 'what it does'],
      COMMANDS.map(({ name, usage, summary }) => [`[\`${usage}\`](#${name})`, escapeTags(summary)]),
    ),
    '`--help` after a command lists its options, with examples. Relative paths are relative to the current folder.',
    ...GENERAL,
    '## Environment',
    'An option takes precedence over its variable, and the variable over the default. Keys are never options, because a list of processes would show them.',
    table(
      ['variable', 'meaning'],
      [...VARIABLES.map(([name, meaning]) => [names(name), meaning]), ...variablesOfOptions()],
    ),
    ...COMMAND_GROUPS.flatMap(({ title, commands }) => [`## ${title}`, ...commands.flatMap(section)]),
  ].join('\n\n');
}

const GENERAL = [
  '## For programs',
  'With `--json` standard output is for a program: one document, or one line for each item, as described for each command. Everything else goes to standard error. ' +
    'An error is then one line on standard error: `{"error": "what, where, what to do", "exitReason": "usage"}`. The exit code gives the reason:',
  table(
    ['code', 'exitReason', 'means'],
    (Object.keys(EXIT_CODES) as ExitReason[]).map((reason) => [
      String(EXIT_CODES[reason]),
      `\`${reason}\``,
      EXIT_REASON_MEANINGS[reason],
    ]),
  ),
  'If a signal ends a command before it can handle it, the shell reports 128 plus the number of the signal.',
  '## Completion',
  `${COMPLETION.summary} When the program is on the PATH:`,
  fenced(`${PROGRAM_NAME} completion >> ~/.bashrc   # or ~/.zshrc`),
];

function section({
  name,
  usage,
  summary,
  details,
  json,
  positionals = {},
  options = {},
  examples,
}: Command): string[] {
  const rows = [
    ...Object.entries(positionals).map(([positional, about]) => [
      `\`${positional}\``,
      described(about),
      defaultText(about.default),
      '',
    ]),
    ...Object.entries(options).map(([option, about]) => [
      `\`--${option}\``,
      described(about),
      defaultText(about.defaultDescription ?? about.default),
      about.variable === undefined ? '' : `\`${about.variable}\``,
    ]),
  ];
  return [
    `### ${name}`,
    `\`${usage}\`: ${escapeTags(details === undefined ? summary : `${summary} ${details}`)}`,
    ...(rows.length === 0 ? [] : [table(['argument', 'meaning', 'default', 'variable'], rows)]),
    `\`--json\` prints ${escapeTags(json)}.`,
    fenced(examples.map(([line, does]) => `${line.replaceAll('$0', PROGRAM_NAME)}   # ${does}`).join('\n')),
  ];
}

function variablesOfOptions(): string[][] {
  const named = new Map<string, string>();
  for (const { options = {} } of COMMANDS)
    for (const { variable, describe } of Object.values(options))
      if (variable !== undefined) named.set(variable, describe);
  return [...named].map(([variable, describe]) => [`\`${variable}\``, escapeTags(describe)]);
}

interface Described {
  readonly describe: string;
  readonly choices?: readonly unknown[] | true | undefined;
}

function described({ describe, choices }: Described): string {
  return escapeTags(Array.isArray(choices) ? `${describe} One of: ${choices.join(', ')}.` : describe);
}

/** Escapes what Markdown would read as an HTML tag. */
function escapeTags(text: string): string {
  return text.replaceAll('<', '\\<');
}

function defaultText(value: unknown): string {
  if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) return '';
  return typeof value === 'string' && value.includes(' ')
    ? value
    : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function names(list: string): string {
  return list
    .split(', ')
    .map((name) => `\`${name}\``)
    .join(', ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  // Columns that are empty in every row are omitted.
  const kept = head.map((_, index) => rows.some((row) => row[index] !== ''));
  const shown = (cells: readonly string[]) => cells.filter((_, index) => kept[index]);
  return [shown(head), shown(head).map(() => '---'), ...rows.map(shown)].map(line).join('\n');
}

function fenced(text: string): string {
  return `\`\`\`sh\n${text}\n\`\`\``;
}
