import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import yargs from 'yargs';
import { addSecretsOf } from '../platform/secrets.ts';
import { packageRoot } from '../platform/package-root.ts';
import { CommandError } from './core/command-error.ts';
import { COMMANDS } from './commands/index.ts';
import { completions } from './completions.ts';
import { handleBrokenPipe } from './core/broken-pipe.ts';
import { EXIT_CODES, type ExitReason } from './core/exit-codes.ts';
import { formatError } from './format-error.ts';
import { COMPLETION, overview } from './overview.ts';
import { PROGRAM_NAME } from '../platform/program.ts';
import { printText, printError, printErrorJson } from './core/output.ts';

/** Columns of the help at most: longer lines are harder to read. */
const MAX_HELP_WIDTH = 100;

/** Runs the command that the arguments name and returns its exit reason. An error meant for the user is printed without its stack. */
export async function runCommandLine(args: readonly string[]): Promise<ExitReason> {
  handleBrokenPipe();
  addSecretsOf(process.env);
  const [first] = args;
  if (first === undefined || ['--help', '-h', 'help'].includes(first)) {
    (first === undefined ? printError : printText)(overview(helpWidth()));
    return first === undefined ? 'usage' : 'done';
  }
  let exitReason: ExitReason = 'done';
  try {
    const argv = commandLine(first, (reason) => {
      exitReason = reason;
    });
    // parseAsync would print the script and then fail, because no command has this name.
    if (first === COMPLETION.usage) argv.showCompletionScript();
    else await argv.parseAsync([...args]);
    return exitReason;
  } catch (error) {
    const formatted = await formatError(error);
    // With --json a program reads the last line of standard error.
    const { message } = formatted;
    if (args.includes('--json')) printErrorJson({ error: message, exitReason: formatted.exitReason });
    else printError(message);
    return formatted.exitReason;
  }
}

function commandLine(first: string, onEnd: (reason: ExitReason) => void) {
  const argv = yargs()
    .scriptName(PROGRAM_NAME)
    .locale('en')
    .version(packageVersion())
    .help()
    .alias('help', 'h')
    .parserConfiguration({ 'dot-notation': false })
    .strict()
    .recommendCommands()
    .completion(COMPLETION.usage, COMPLETION.summary, completions)
    .exitProcess(false)
    .fail((message, error) => {
      // yargs reports a usage error by a message, by an error named YError, or by both.
      const usageError =
        error === undefined || error.name === 'YError' ? (message ?? error?.message) : undefined;
      throw usageError === undefined ? error : new CommandError('usage', usageMessage(first, usageError));
    });
  for (const command of COMMANDS) command.addTo(argv, onEnd);
  return argv.wrap(helpWidth());
}

/** The message of yargs as one paragraph that also names the help to read. */
function usageMessage(first: string, message: string): string {
  const command = COMMANDS.find(({ name }) => name === first);
  if (command === undefined && !first.startsWith('-')) {
    const guess = /^Did you mean .*\?$/.test(message) ? ` ${message}` : '';
    return `There is no command ${JSON.stringify(first)}.${guess} "${PROGRAM_NAME} --help" lists the commands.`;
  }
  const problem = message.startsWith('Not enough non-option arguments')
    ? `An argument is missing: the usage is "${command?.usage ?? first}"`
    : message.replaceAll(/\s+/g, ' ').replace(/[.\s]*$/, '');
  return `${problem}. "${PROGRAM_NAME} ${first.startsWith('-') ? '' : `${first} `}--help" lists its arguments and options.`;
}

function helpWidth(): number {
  return Math.min(MAX_HELP_WIDTH, process.stdout.columns || MAX_HELP_WIDTH);
}

function packageVersion(): string {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

export function exitCode(reason: ExitReason): number {
  return EXIT_CODES[reason];
}
