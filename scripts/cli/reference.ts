/** docs/cli.md: every command, from what the commands say of themselves. */
import type { Command } from './command.ts';
import { COMMAND_GROUPS, COMMANDS } from './commands/index.ts';
import { ENDING_MEANINGS, EXIT_CODES, type Ending } from './exit-codes.ts';
import { COMPLETION } from './overview.ts';
import { CALL, PROGRAM } from './program.ts';

/** Variables that no option names. */
const VARIABLES: readonly (readonly [name: string, meaning: string])[] = [
  [
    'TEMPORAL_ADDRESS',
    'Host and port of the Temporal server; by default the development server on this machine.',
  ],
  ['TEMPORAL_NAMESPACE', 'The namespace; `default` by default.'],
  ['TEMPORAL_API_KEY', 'The key of Temporal Cloud.'],
  ['TEMPORAL_TLS_*', 'Certificates, as the Temporal CLI reads them.'],
  ['TEMPORAL_PROFILE', 'A profile of the Temporal CLI, which says all of these.'],
  [
    'SELF_TAUGHT_EVALUATOR_CACHE',
    "The folder with what is installed; by default in the user's cache folder.",
  ],
  [
    'SELF_TAUGHT_EVALUATOR_PYTHON',
    'A Python with the packages of `trainer/requirements.txt`, instead of the one that is installed.',
  ],
  [
    'SELF_TAUGHT_EVALUATOR_TEMPORAL',
    'A Temporal CLI, instead of the one on the PATH or the one that is installed.',
  ],
  ['TORCH_BACKEND', "`cpu` installs PyTorch's smaller build without GPU."],
  ['HF_ENDPOINT, HF_TOKEN', 'The Hugging Face hub, and the token for it.'],
  ['NO_COLOR', 'No colours in the progress.'],
];

/** The reference as Markdown. */
export function commandReference(): string {
  return [
    '# Command line',
    `\`${CALL} <command>\` in a checkout; \`npm link\` puts \`${PROGRAM}\` on the PATH, and then it works in every folder. The npm scripts ` +
      '`demo`, `temporal`, `worker`, `follow` and `setup` are the commands of these names: what follows `--` are their options.',
    table(
      ['command', 'what it does'],
      COMMANDS.map(({ name, usage, summary }) => [`[\`${usage}\`](#${name})`, plain(summary)]),
    ),
    '`--help` after a command says what it takes, with examples. Relative paths begin in the folder that it is called in.',
    ...GENERAL,
    '## Environment',
    'An option that is given counts before its variable, and that before the default. Keys are never options: a list of processes shows them.',
    table(
      ['variable', 'what it says'],
      [...VARIABLES.map(([name, meaning]) => [names(name), meaning]), ...variablesOfOptions()],
    ),
    ...COMMAND_GROUPS.flatMap(({ title, commands }) => [`## ${title}`, ...commands.flatMap(section)]),
  ].join('\n\n');
}

const GENERAL = [
  '## For programs',
  'With `--json` standard output is for a program, one document or a line for each thing, as the command says; all else goes to standard error. ' +
    'An error is then one line there: `{"error": "what, where, what to do", "ending": "usage"}`. The exit code says how it ended:',
  table(
    ['code', 'ending', 'means'],
    (Object.keys(EXIT_CODES) as Ending[]).map((ending) => [
      String(EXIT_CODES[ending]),
      `\`${ending}\``,
      ENDING_MEANINGS[ending],
    ]),
  ),
  'A command that a signal ends before it can say anything has the code that the shell gives it, 128 and the number of the signal.',
  '## Completion',
  `${COMPLETION.summary} Once it is on the PATH:`,
  fenced(`${PROGRAM} completion >> ~/.bashrc   # or ~/.zshrc`),
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
      shownDefault(about.default),
      '',
    ]),
    ...Object.entries(options).map(([option, about]) => [
      `\`--${option}\``,
      described(about),
      shownDefault(about.defaultDescription ?? about.default),
      about.variable === undefined ? '' : `\`${about.variable}\``,
    ]),
  ];
  return [
    `### ${name}`,
    `\`${usage}\`: ${plain(details === undefined ? summary : `${summary} ${details}`)}`,
    ...(rows.length === 0 ? [] : [table(['argument', 'what it says', 'default', 'variable'], rows)]),
    `\`--json\` prints ${plain(json)}.`,
    fenced(examples.map(([line, does]) => `${line.replaceAll('$0', PROGRAM)}   # ${does}`).join('\n')),
  ];
}

function variablesOfOptions(): string[][] {
  const named = new Map<string, string>();
  for (const { options = {} } of COMMANDS)
    for (const { variable, describe } of Object.values(options))
      if (variable !== undefined) named.set(variable, describe);
  return [...named].map(([variable, describe]) => [`\`${variable}\``, plain(describe)]);
}

interface Described {
  readonly describe: string;
  readonly choices?: readonly unknown[] | true | undefined;
}

function described({ describe, choices }: Described): string {
  return plain(Array.isArray(choices) ? `${describe} One of: ${choices.join(', ')}.` : describe);
}

/** A text as Markdown that shows it: what looks like a tag is none. */
function plain(text: string): string {
  return text.replaceAll('<', '\\<');
}

function shownDefault(value: unknown): string {
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
  // Columns that say nothing of any row are left out.
  const kept = head.map((_, index) => rows.some((row) => row[index] !== ''));
  const shown = (cells: readonly string[]) => cells.filter((_, index) => kept[index]);
  return [shown(head), shown(head).map(() => '---'), ...rows.map(shown)].map(line).join('\n');
}

function fenced(text: string): string {
  return `\`\`\`sh\n${text}\n\`\`\``;
}
