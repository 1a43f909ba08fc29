/** The command line `self-taught-evaluator`; the npm scripts are calls of it. */
import { exitCode, runCommandLine } from './command-line.ts';

// The process ends here: a connection that is closed before throws at a call that the SDK is about to repeat.
process.exit(exitCode(await runCommandLine(process.argv.slice(2))));
