/** The address at which the model servers of a machine listen, and at which other machines reach them. */
import { BlockList, isIP } from 'node:net';
import { SettingError } from '../../platform/setting-error.ts';

/** Reached from the machine itself only. */
export const DEFAULT_SERVE_HOST = '127.0.0.1';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

const HOST_NAME = /^[a-z\d]([a-z\d.-]*[a-z\d])?$/i;

/** Returns whether only the machine itself reaches a server at this address or name. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return /^localhost$|\.localhost$/i.test(host);
  return LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Reads the address at which model servers listen.
 * @throws SettingError that names the option, if it is no IP address or host name, or stands for all addresses
 */
export function parseServeHost(option: string, text: string): string {
  const host = text.trim().replace(/^\[(.*)\]$/, '$1');
  if (host === '0.0.0.0' || host === '::' || host === '*')
    throw new SettingError(
      `${option} is ${JSON.stringify(text)}, which stands for all addresses, and other machines must reach a model server at one: ` +
        "give this machine's address or name. To listen at all addresses, write 0.0.0.0 instead of {host} in serving.command.",
    );
  if (isIP(host) === 0 && !HOST_NAME.test(host))
    throw new SettingError(
      `${option} is ${JSON.stringify(text)}, and must be an IP address or a host name without a port, such as 10.0.0.7`,
    );
  return host;
}
