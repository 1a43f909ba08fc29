import { logInActivity, type WorkerLog } from '../observability/log.ts';
import { allowQuotes, withholdQuotes } from '../platform/quotes.ts';
import { connectionOptions } from '../temporal/connect.ts';
import { isOwnDevServer, type ServerConnection } from '../temporal/own-dev-server.ts';
import type { WorkerSettings } from './settings.ts';

/** Decides whether this process's failures may quote endpoints, model servers, trainers and damaged rows. */
export async function limitFailureDetails(
  { failureDetails, temporal, environment }: WorkerSettings,
  connection: ServerConnection,
  log: WorkerLog,
): Promise<void> {
  const { address } = connectionOptions(temporal);
  const areAllowed =
    failureDetails === 'on' ||
    (failureDetails === 'auto' && (await isOwnDevServer(connection, address, environment)));
  if (areAllowed) allowQuotes();
  else withholdQuotes((text) => logInActivity(log, 'warn', text));
}
