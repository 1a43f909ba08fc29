/** Decides which hosts and addresses the patterns of a policy name. */
import { BlockList, isIP } from 'node:net';

/** Names every host with a public address. */
const PUBLIC = 'public';

/** The ranges of RFC 6890 and its successors that are not globally reachable, and multicast. */
const SPECIAL_V4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
];
/** In the global unicast range of IPv6, but for documentation, or leading to an IPv4 address (Teredo, 6to4). */
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];
const special = blockList([...SPECIAL_V4, ...SPECIAL_V6]);
const global6 = blockList(['2000::/3']);

/** Returns whether an address is one of the internet, not of this machine, a private network or a link. */
export function isPublicAddress(address: string): boolean {
  const plain = withoutMapping(address);
  if (isIP(plain) === 0) return false;
  return !contains(special, plain) && (isIP(plain) === 4 || contains(global6, plain));
}

export function isEndpointPattern(pattern: string): boolean {
  if (pattern === PUBLIC) return true;
  const [address = '', bits, ...rest] = pattern.split('/');
  if (bits !== undefined) {
    const width = isIP(address) === 4 ? 32 : 128;
    return rest.length === 0 && isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= width;
  }
  if (isIP(pattern) !== 0) return true;
  return /^(\*\.)?([a-z0-9_-]+\.)*[a-z0-9_-]+(:\d{1,5})?$|^\[[\da-f:.]+\](:\d{1,5})?$/.test(pattern);
}

/** The host of a URL: an address without brackets, or a name without a dot at the end. */
export function hostOf({ hostname }: Pick<URL, 'hostname'>): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

/** The port of a URL. */
export function portOf({ port, protocol }: Pick<URL, 'port' | 'protocol'>): string {
  return port || (protocol === 'https:' ? '443' : '80');
}

/** Returns whether a pattern names the host of a URL. What a name resolves to is checked when it is connected. */
export function namesEndpoint(patterns: readonly string[], url: URL): boolean {
  const host = hostOf(url);
  if (isIP(host) !== 0 && namesAddress(patterns, host, portOf(url))) return true;
  return patterns.some((pattern) => {
    if (pattern === PUBLIC) return isIP(host) === 0 || isPublicAddress(host);
    const named = hostAndPortOf(pattern);
    if (named === undefined || (named.port !== undefined && named.port !== portOf(url))) return false;
    return named.host.startsWith('*.') ? host.endsWith(named.host.slice(1)) : host === named.host;
  });
}

/** Returns whether an address is named itself or by a range; a name that leads to it does not count. */
export function namesAddress(patterns: readonly string[], address: string, port: string): boolean {
  const plain = withoutMapping(address);
  return patterns.some((pattern) => {
    if (pattern.includes('/')) return contains(blockList([pattern]), plain);
    const named = isIP(pattern) === 0 ? hostAndPortOf(pattern) : { host: pattern, port: undefined };
    if (named === undefined || isIP(named.host) === 0) return false;
    return contains(blockList([named.host]), plain) && (named.port === undefined || named.port === port);
  });
}

function hostAndPortOf(pattern: string): { host: string; port: string | undefined } | undefined {
  const { host, port } = /^(?<host>\[[^\]]+\]|[^:/]+)(?::(?<port>\d+))?$/.exec(pattern)?.groups ?? {};
  return host === undefined ? undefined : { host: host.replace(/^\[|\]$/g, ''), port };
}

/** An IPv4 address in the form of IPv6, which a system with both may give. */
function withoutMapping(address: string): string {
  const [plain = ''] = address.split('%');
  if (isIP(plain) !== 6) return plain;
  const url = URL.parse(`http://[${plain}]`);
  const [, high, low] = /^\[::ffff:([\da-f]+):([\da-f]+)\]$/.exec(url?.hostname ?? '') ?? [];
  if (high === undefined || low === undefined) return plain;
  const number = parseInt(high, 16) * 65_536 + parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

function blockList(ranges: readonly string[]): BlockList {
  const found = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (bits === undefined) found.addAddress(address, family);
    else found.addSubnet(address, Number(bits), family);
  }
  return found;
}

function contains(addresses: BlockList, address: string): boolean {
  return isIP(address) !== 0 && addresses.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}
