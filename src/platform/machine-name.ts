import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { bootId, pidNamespace } from './process-identity.ts';

/** The link of the namespace that Linux starts with: its number is fixed (PROC_PID_INIT_INO in include/linux/proc_ns.h). */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * Names the machine of this process in task queues, in the store's folder `.machines` and in messages: processes with the
 * same name see and may signal each other. It is the host name, and in a container with process ids of its own also 8
 * hexadecimal digits for these, because containers may have one host name. A container that is started again has
 * another name, as its processes can't see those of the one before.
 */
export async function machineName(): Promise<string> {
  const namespace = await pidNamespace();
  if (namespace === undefined || namespace.startsWith(`${INITIAL_PID_NAMESPACE}/`)) return hostname();
  const digest = createHash('sha256')
    .update(`${await bootId()} ${namespace}`)
    .digest('hex');
  return `${hostname()}-${digest.slice(0, 8)}`;
}
