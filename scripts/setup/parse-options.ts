import { parseArgs, type ParseArgsConfig } from 'node:util';
import { SetupError } from './setup-error.ts';

/** The options of a script. Throws SetupError that names one which is unknown or lacks its value. */
export function parseOptions<const O extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: O,
) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new SetupError(error instanceof Error ? error.message : String(error));
  }
}
