import type { WorkerLog } from '../observability/log.ts';
import type { Policy } from '../policy/policy-schema.ts';
import { choosePolicy } from '../policy/read-policy.ts';
import { connectionOptions } from '../temporal/connect.ts';
import { isOwnDevServer, type ServerConnection } from '../temporal/own-dev-server.ts';
import type { WorkerSettings } from './settings.ts';

/** The policy of a worker that has connected to its server. The log says which one holds. */
export async function policyOf(
  { policy: given, temporal, environment }: WorkerSettings,
  connection: ServerConnection,
  log: WorkerLog,
): Promise<Policy> {
  const { address } = connectionOptions(temporal);
  const isOwnServer = given === undefined && (await isOwnDevServer(connection, address, environment));
  const policy = choosePolicy(given, isOwnServer);
  log.info(`policy: ${policy.description}`);
  return policy;
}
