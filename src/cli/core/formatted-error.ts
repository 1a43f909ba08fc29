import type { ExitReason } from './exit-codes.ts';

/** The output of a failed command, and its exit reason. */
export interface FormattedError {
  /** One paragraph, or the stack if the error is a fault of this program. */
  readonly message: string;
  readonly exitReason: Exclude<ExitReason, 'done'>;
}
