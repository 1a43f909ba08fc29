import { Client, type Connection } from '@temporalio/client';
import { TemporalUnreachable } from '../../src/setting-error.ts';
import { connectToServer } from '../../src/temporal/connect.ts';
import { temporalSettings, type TemporalSettings } from '../../src/temporal/settings.ts';
import { portsFrom } from '../setup/dev-server.ts';

/** A Temporal server that answers, and how it was found. */
export interface Temporal {
  readonly client: Client;
  readonly connection: Connection;
  readonly address: string;
  readonly namespace: string;
}

const ANSWER_MILLISECONDS = 2_000;

/** Settings that name no server mean the development server on this machine. */
export function orHere(
  settings: TemporalSettings,
  environment: NodeJS.ProcessEnv,
): TemporalSettings & { readonly address: string } {
  return { ...settings, address: settings.address ?? `127.0.0.1:${portsFrom(environment).grpc}` };
}

/**
 * Connects to the server that TEMPORAL_ADDRESS, the other TEMPORAL_* variables or a profile of the Temporal CLI name, as the
 * worker does; else to the development server on this machine.
 *
 * @throws TemporalUnreachable that says what to set where none answers, or it doesn't let us in
 */
export async function connectToTemporal(environment: NodeJS.ProcessEnv): Promise<Temporal> {
  const named = temporalSettings(environment);
  const settings = orHere(named, environment);
  const { namespace, address } = settings;
  const connection = await connectToServer(settings).catch((error: unknown) => {
    if (named.address !== undefined || !(error instanceof TemporalUnreachable)) throw error;
    throw new TemporalUnreachable(
      `${error.message} For a development server on another port set SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT.`,
    );
  });
  return {
    client: new Client({ connection, namespace }),
    connection,
    address,
    namespace,
  };
}

/** Whether the server answers at once. */
export async function serverAnswers(connection: Connection): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + ANSWER_MILLISECONDS, () =>
      connection.workflowService.getSystemInfo({}),
    );
    return true;
  } catch {
    return false;
  }
}
