import yargs from 'yargs';
import packageJson from '../../package.json' with { type: 'json' };
import { SettingError } from '../../src/setting-error.ts';
import { SetupError } from '../setup/setup-error.ts';
import { CommandError } from './command-error.ts';
import { COMMANDS } from './commands/index.ts';
import { EXIT_CODES, type Ending } from './exit-codes.ts';

export const PROGRAM = 'self-taught-evaluator';

/** Does what the arguments say, and says how it ended. An error is shown as its message alone where that says it all. */
export async function runCommandLine(args: readonly string[]): Promise<Ending> {
  let ending: Ending = 'done';
  try {
    await commandLine((ended) => {
      ending = ended;
    }).parseAsync([...args]);
    return ending;
  } catch (error) {
    const saysItAll = error instanceof SetupError || error instanceof SettingError;
    const shown = saysItAll ? error.message : error;
    console.error(args.includes('--json') && saysItAll ? JSON.stringify({ error: shown }) : shown);
    return error instanceof CommandError ? error.ending : 'failed';
  }
}

function commandLine(ended: (ending: Ending) => void) {
  const argv = yargs()
    .scriptName(PROGRAM)
    .usage('$0 <command>')
    .locale('en')
    .version(packageJson.version)
    .help()
    .strict()
    .recommendCommands()
    .demandCommand(1, 'Which command?')
    .completion('completion', 'Print a script that completes commands and options in bash or zsh.')
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new CommandError('usage', `${message}\n${PROGRAM} --help lists what there is.`);
    });
  for (const command of COMMANDS) command.addTo(argv, ended);
  return argv.wrap(Math.min(100, argv.terminalWidth()));
}

export function exitCode(ending: Ending): number {
  return EXIT_CODES[ending];
}
