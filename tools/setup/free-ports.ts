import { freePorts } from '../../src/platform/ports.ts';
import type { DevServerPorts } from '../../src/cli/temporal/dev-server.ts';

/** Free ports for a development server with its Web UI. */
export async function freeServerPorts(): Promise<DevServerPorts> {
  const [grpc, ui] = (await freePorts(2)) as [number, number];
  return { grpc, ui };
}
