import yargs from 'yargs';
import packageJson from '../../package.json' with { type: 'json' };
import { CommandError } from './command-error.ts';
import { COMMANDS } from './commands/index.ts';
import { completions } from './completions.ts';
import { endWithReader } from './end-with-reader.ts';
import { EXIT_CODES, type Ending } from './exit-codes.ts';
import { explained } from './explained.ts';
import { COMPLETION, overview } from './overview.ts';
import { PROGRAM } from './program.ts';

/** Of the help; a wider terminal doesn't make it easier to read. */
const WIDEST = 100;

/** Does what the arguments say, and says how it ended. An error is shown as its message alone where that says it all. */
export async function runCommandLine(args: readonly string[]): Promise<Ending> {
  endWithReader();
  const [first] = args;
  if (first === undefined || ['--help', '-h', 'help'].includes(first)) {
    console[first === undefined ? 'error' : 'log'](overview(width()));
    return first === undefined ? 'usage' : 'done';
  }
  let ending: Ending = 'done';
  try {
    const argv = commandLine(first, (ended) => {
      ending = ended;
    });
    // By itself yargs would go on and find that there is no such command.
    if (first === COMPLETION.usage) argv.showCompletionScript();
    else await argv.parseAsync([...args]);
    return ending;
  } catch (error) {
    const { message, ending: endedWith } = await explained(error);
    // A program reads the end of standard error, where nothing else was said to it.
    console.error(args.includes('--json') ? JSON.stringify({ error: message, ending: endedWith }) : message);
    return endedWith;
  }
}

function commandLine(first: string, ended: (ending: Ending) => void) {
  const argv = yargs()
    .scriptName(PROGRAM)
    .locale('en')
    .version(packageJson.version)
    .help()
    .alias('help', 'h')
    .parserConfiguration({ 'dot-notation': false })
    .strict()
    .recommendCommands()
    .completion(COMPLETION.usage, COMPLETION.summary, completions)
    .exitProcess(false)
    .fail((message, error) => {
      // What yargs finds wrong comes as a message or as an error of its own.
      const found = error === undefined || error.name === 'YError' ? (message ?? error?.message) : undefined;
      throw found === undefined ? error : new CommandError('usage', usageMessage(first, found));
    });
  for (const command of COMMANDS) command.addTo(argv, ended);
  return argv.wrap(width());
}

/** What yargs finds wrong, as a paragraph that says where to look. */
function usageMessage(first: string, message: string): string {
  const command = COMMANDS.find(({ name }) => name === first);
  if (command === undefined && !first.startsWith('-')) {
    const guess = /^Did you mean .*\?$/.test(message) ? ` ${message}` : '';
    return `There is no command ${JSON.stringify(first)}.${guess} "${PROGRAM} --help" lists what there is.`;
  }
  const found = message.startsWith('Not enough non-option arguments')
    ? `Something is missing in "${command?.usage ?? first}"`
    : message.replaceAll(/\s+/g, ' ').replace(/[.\s]*$/, '');
  return `${found}. "${PROGRAM} ${first.startsWith('-') ? '' : `${first} `}--help" says what it takes.`;
}

function width(): number {
  return Math.min(WIDEST, process.stdout.columns || WIDEST);
}

export function exitCode(ending: Ending): number {
  return EXIT_CODES[ending];
}
