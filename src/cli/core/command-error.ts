import { SetupError } from '../../platform/setup-error.ts';
import type { ExitReason } from './exit-codes.ts';

/** Ends a command with an exit reason and a message of one paragraph: what is wrong, where, and what to do. */
export class CommandError extends SetupError {
  override name = 'CommandError';
  readonly exitReason: Exclude<ExitReason, 'done'>;

  constructor(exitReason: Exclude<ExitReason, 'done'>, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitReason = exitReason;
  }
}
