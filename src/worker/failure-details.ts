import { logInActivity, type WorkerLog } from '../observability/log.ts';
import { allowQuotes, withholdQuotes } from '../platform/quotes.ts';
import type { WorkerSettings } from './settings.ts';

/**
 * Decides whether this process's failures may quote endpoints, model servers, trainers and damaged rows.
 * @param isOwnServer is called only if it matters
 */
export async function limitFailureDetails(
  { failureDetails }: WorkerSettings,
  isOwnServer: () => Promise<boolean>,
  log: WorkerLog,
): Promise<void> {
  const areAllowed = failureDetails === 'on' || (failureDetails === 'auto' && (await isOwnServer()));
  if (areAllowed) allowQuotes();
  else withholdQuotes((text) => logInActivity(log, 'warn', text));
}
