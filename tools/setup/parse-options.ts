import { parseArgs, type ParseArgsConfig } from 'node:util';
import { SetupError } from '../../src/platform/setup-error.ts';

/** Parses the options of a tool. Throws SetupError that names an option that is unknown or has no value. */
export function parseToolOptions<const O extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: O,
) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new SetupError(error instanceof Error ? error.message : String(error));
  }
}
