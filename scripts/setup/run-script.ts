import { SettingError } from '../../src/setting-error.ts';
import { SetupError } from './setup-error.ts';

/**
 * Runs a script's main function. A {@link SetupError} or {@link SettingError} ends it with the message alone, anything else with its stack; the
 * exit code is then 1.
 */
export async function runScript(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const saysItAll = error instanceof SetupError || error instanceof SettingError;
    console.error(saysItAll ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
}
