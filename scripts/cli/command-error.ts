import { SetupError } from '../setup/setup-error.ts';
import type { Ending } from './exit-codes.ts';

/** Ends a command with its message, one paragraph that says what, where and what to do, and the exit code of its kind. */
export class CommandError extends SetupError {
  override name = 'CommandError';
  readonly ending: Exclude<Ending, 'done'>;

  constructor(ending: Exclude<Ending, 'done'>, message: string, options?: ErrorOptions) {
    super(message, options);
    this.ending = ending;
  }
}
