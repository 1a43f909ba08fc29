import { Client, type Connection } from '@temporalio/client';
import { TemporalUnreachable } from '../../temporal/temporal-unreachable.ts';
import { connectToServer } from '../../temporal/connect.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';
import { temporalSettings, type TemporalSettings } from '../../temporal/settings.ts';
import { devServerPorts } from './dev-server.ts';

/** A connection to a Temporal server, with its address and namespace. */
export interface TemporalConnection {
  readonly client: Client;
  readonly connection: Connection;
  readonly address: string;
  readonly namespace: string;
}

const ANSWER_MILLISECONDS = 2_000;

/** Settings without an address get that of the development server on this machine. */
export function withDefaultAddress(
  settings: TemporalSettings,
  environment: NodeJS.ProcessEnv,
): TemporalSettings & { readonly address: string } {
  return { ...settings, address: settings.address ?? `127.0.0.1:${devServerPorts(environment).grpc}` };
}

/**
 * Connects, as a worker does, to the server that the TEMPORAL_* variables or a profile of the Temporal CLI name, else to the
 * development server on this machine.
 *
 * @throws TemporalUnreachable that says what to set if no server answers or it rejects the credentials
 */
export async function connectToTemporal(environment: NodeJS.ProcessEnv): Promise<TemporalConnection> {
  const configured = temporalSettings(environment);
  const settings = withDefaultAddress(configured, environment);
  const { namespace, address, encryptionKeys } = settings;
  const connection = await connectToServer(settings).catch((error: unknown) => {
    if (configured.address !== undefined || !(error instanceof TemporalUnreachable)) throw error;
    throw new TemporalUnreachable(
      `${error.message} If the development server uses another port, set SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT.`,
    );
  });
  return {
    client: new Client({ connection, namespace, dataConverter: createDataConverter(encryptionKeys) }),
    connection,
    address,
    namespace,
  };
}

/** Returns whether the server answers within two seconds. */
export async function isServerReachable(connection: Connection): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + ANSWER_MILLISECONDS, () =>
      connection.workflowService.getSystemInfo({}),
    );
    return true;
  } catch {
    return false;
  }
}
