/** Chooses ports for servers that another program starts later, perhaps repeatedly. */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { commandOutput } from './process-identity.ts';

const LOCALHOST = '127.0.0.1';
/**
 * The range of ports to choose from, unless the system assigns some of them itself. Kubernetes forwards those from
 * 30000 on.
 */
const FIRST = 10_000;
const END = 30_000;
const FEWEST = 1_000;
const TRIES = 1_000;

/** Returns distinct ports of {@link portRange} that no program uses now. */
export async function freePorts(count: number): Promise<number[]> {
  const { first, end } = portRange(firstOutgoingPort());
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries++) {
    if (tries === TRIES) throw new Error(`no port of ${tries} between ${first} and ${end} is free`);
    const port = randomInt(first, end);
    if (await isPortFree(port)) found.add(port);
  }
  return [...found];
}

/** Returns a port of {@link portRange} that no program uses now. */
export async function freePort(): Promise<number> {
  const [port] = (await freePorts(1)) as [number];
  return port;
}

/**
 * The ports below the first one that the system assigns to outgoing connections and to programs that ask for any
 * port. Any of those may be in use by the time a server is restarted. If the system assigns nearly all ports, there
 * is no better choice.
 */
export function portRange(firstOutgoing: number): { first: number; end: number } {
  return { first: FIRST, end: firstOutgoing < FIRST + FEWEST ? END : Math.min(firstOutgoing, END) };
}

function firstOutgoingPort(): number {
  const text =
    process.platform === 'linux'
      ? readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      : commandOutput('sysctl', ['-n', 'net.inet.ip.portrange.first']);
  return Number.parseInt(text ?? `${END}`, 10);
}

/** Returns whether a new server could use the port: no program accepts connections on it, and it can be bound. */
export async function isPortFree(port: number): Promise<boolean> {
  return (
    !(await acceptsConnections(LOCALHOST, port)) && (await canBind(port, LOCALHOST)) && (await canBind(port))
  );
}

/** Returns whether a program accepts connections on the port. */
export function acceptsConnections(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 });
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket
      .on('connect', () => end(true))
      .on('timeout', () => end(false))
      .on('error', () => end(false));
  });
}

/** @param host all addresses of the machine by default */
function canBind(port: number, host?: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen({ port, host }, () => server.close(() => resolve(true)));
  });
}
