/** Ports for servers that are started later, perhaps again and again, by somebody else. */
import { randomInt } from 'node:crypto';
import { type DevServerPorts, isPortFree } from './dev-server.ts';

/**
 * Below the ports that Linux (32768) and macOS (49152) give to outgoing connections and to who asks for any: a port that
 * is free now would not be for long among those.
 */
const FIRST = 20_000;
const END = 32_000;

/** Different ports of 127.0.0.1 that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = randomInt(FIRST, END);
    if (await isPortFree(port)) found.add(port);
  }
  return [...found];
}

/** For a development server with its Web UI and HTTP API. */
export async function freeServerPorts(): Promise<DevServerPorts> {
  const [grpc, ui, http] = (await freePorts(3)) as [number, number, number];
  return { grpc, ui, http };
}
