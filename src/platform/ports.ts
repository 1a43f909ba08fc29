/** Chooses ports for servers that another program starts later, perhaps repeatedly. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
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
/** Servers are started with their ports, or again, in this time. */
const CLAIM_MS = 600_000;

/** Returns distinct ports of {@link portRange} that no program uses now, and that no process of this code has chosen of late. */
export async function freePorts(count: number): Promise<number[]> {
  const { first, end } = portRange(firstOutgoingPort());
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries++) {
    if (tries === TRIES) throw new Error(`no port of ${tries} between ${first} and ${end} is free`);
    const port = randomInt(first, end);
    if (!found.has(port) && (await isPortFree(port)) && (await claimPort(port))) found.add(port);
  }
  return [...found];
}

/** Returns a port as {@link freePorts} does. */
export async function freePort(): Promise<number> {
  const [port] = (await freePorts(1)) as [number];
  return port;
}

/**
 * Keeps a port from others that choose one before its server listens; returns false if it is kept for another one. The claim is a UDP
 * socket, because the system shows it to all processes, releases it with its process, and lets servers use the port for TCP.
 */
export function claimPort(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4').unref();
    const release = setTimeout(() => socket.close(), CLAIM_MS).unref();
    socket
      .on('close', () => clearTimeout(release))
      .on('error', () => {
        socket.close();
        resolve(false);
      })
      .bind({ port, address: LOCALHOST, exclusive: true }, () => resolve(true));
  });
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
      // If this process was suspended, the answer may be there already: it is looked at before the result.
      .on('timeout', () => setImmediate(() => end(false)))
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
