import type { WorkerLog } from '../observability/log.ts';
import type { Policy } from '../policy/policy-schema.ts';
import { choosePolicy } from '../policy/read-policy.ts';
import type { WorkerSettings } from './settings.ts';

/**
 * Chooses the policy of a worker that has connected to its server. The log says which one holds.
 * @param isOwnServer is called only if it matters
 */
export async function policyOf(
  { policy: given }: WorkerSettings,
  isOwnServer: () => Promise<boolean>,
  log: WorkerLog,
): Promise<Policy> {
  const policy = choosePolicy(given, given === undefined && (await isOwnServer()));
  log.info(`policy: ${policy.description}`);
  return policy;
}
