import { parseArgs, type ParseArgsConfig } from 'node:util';
import { SetupError } from './setup-error.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** The options of a script. Throws SetupError that names one which is unknown or lacks its value. */
export function parseOptions<const O extends Options>(args: string[], options: O) {
  return read(() => parseArgs({ args, options }).values);
}

/** The same of a script that takes names as well. */
export function parseArguments<const O extends Options>(args: string[], options: O) {
  return read(() => parseArgs({ args, options, allowPositionals: true }));
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new SetupError(error instanceof Error ? error.message : String(error));
  }
}
