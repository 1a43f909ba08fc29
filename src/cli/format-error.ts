import { SettingError } from '../platform/setting-error.ts';
import { TemporalUnreachable } from '../temporal/temporal-unreachable.ts';
import { PayloadNotDecrypted } from '../temporal/payload-not-decrypted.ts';
import { StorageUnavailable } from '../platform/file-system.ts';
import { SetupError } from '../platform/setup-error.ts';
import { CommandError } from './core/command-error.ts';
import type { FormattedError } from './core/formatted-error.ts';

/** The message of an error for the user. The Temporal client is loaded only for errors that may be its own. */
export async function formatError(error: unknown): Promise<FormattedError> {
  if (error instanceof CommandError) return { message: error.message, exitReason: error.exitReason };
  if (error instanceof TemporalUnreachable) return { message: error.message, exitReason: 'unreachable' };
  if (error instanceof SettingError) return { message: error.message, exitReason: 'usage' };
  if (error instanceof PayloadNotDecrypted) return { message: error.message, exitReason: 'usage' };
  if (error instanceof SetupError) return { message: error.message, exitReason: 'failed' };
  // A command does not go on by itself when the cause is gone.
  if (error instanceof StorageUnavailable) return { message: `${error.reason}.`, exitReason: 'failed' };
  const { formatClientError } = await import('./format-client-error.ts');
  return formatClientError(error) ?? { message: stackOrText(error), exitReason: 'failed' };
}

function stackOrText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
