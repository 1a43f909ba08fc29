import { SettingError } from '../../src/platform/setting-error.ts';
import { SetupError } from '../../src/platform/setup-error.ts';

/**
 * Runs a tool's main function. If it throws, the exit code is 1; only the message of a {@link SetupError} or
 * {@link SettingError} is printed, and the stack of any other error.
 */
export async function runTool(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const isForUser = error instanceof SetupError || error instanceof SettingError;
    console.error(isForUser ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
}
