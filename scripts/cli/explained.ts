import { SettingError, TemporalUnreachable } from '../../src/setting-error.ts';
import { SetupError } from '../setup/setup-error.ts';
import { CommandError } from './command-error.ts';
import type { Ending } from './exit-codes.ts';

/** What a command that failed says, and how it ended. */
export interface Explained {
  /** One paragraph; with the stack where it is a fault of ours. */
  readonly message: string;
  readonly ending: Exclude<Ending, 'done'>;
}

/** What went wrong, for the user. Errors of Temporal and of the client are known without having been loaded for nothing. */
export async function explained(error: unknown): Promise<Explained> {
  if (error instanceof CommandError) return { message: error.message, ending: error.ending };
  if (error instanceof TemporalUnreachable) return { message: error.message, ending: 'unreachable' };
  if (error instanceof SettingError) return { message: error.message, ending: 'usage' };
  if (error instanceof SetupError) return { message: error.message, ending: 'failed' };
  const { explainedByClient } = await import('./explained-by-client.ts');
  return explainedByClient(error) ?? { message: shown(error), ending: 'failed' };
}

function shown(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
