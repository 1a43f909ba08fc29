import { freePorts } from '../../src/platform/ports.ts';
import type { DevServerPorts } from '../../src/cli/temporal/dev-server.ts';

/** Free ports for a development server with its Web UI and HTTP API. */
export async function freeServerPorts(): Promise<DevServerPorts> {
  const [grpc, ui, http] = (await freePorts(3)) as [number, number, number];
  return { grpc, ui, http };
}
