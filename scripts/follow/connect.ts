import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { accepts, portsFrom } from '../setup/dev-server.ts';
import { CommandError } from '../cli/command-error.ts';

/** A Temporal server that answers, and how it was found. */
export interface Temporal {
  readonly client: Client;
  readonly connection: Connection;
  readonly address: string;
  readonly namespace: string;
}

const ANSWER_MILLISECONDS = 2_000;

/**
 * Connects to the server that TEMPORAL_ADDRESS, the other TEMPORAL_* variables or a profile of the Temporal CLI name, as the
 * worker does; else to the development server on this machine.
 *
 * @throws CommandError that says what to set where none answers
 */
export async function connectToTemporal(environment: NodeJS.ProcessEnv): Promise<Temporal> {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const named = connectionOptions.address || undefined;
  const address = named ?? `127.0.0.1:${portsFrom(environment).grpc}`;
  const connection = await connect({ ...connectionOptions, address });
  return {
    client: new Client({ connection, namespace }),
    connection,
    address,
    namespace,
  };
}

async function connect(options: { address: string }): Promise<Connection> {
  const { address } = options;
  try {
    const { hostname, port } = new URL(`http://${address}`);
    // gRPC would go on trying for ten seconds where nobody listens.
    if (/^(127\.|localhost$)/.test(hostname) && !(await accepts(hostname, Number(port))))
      throw new Error('nobody listens there');
    return await Connection.connect(options);
  } catch (error) {
    throw new CommandError(
      'unreachable',
      `No Temporal server answers at ${address} (${error instanceof Error ? error.message : String(error)}).\n` +
        'Start one with "npm run temporal", or name yours by TEMPORAL_ADDRESS or a profile of the Temporal CLI; ' +
        'for a development server on another port set SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT.',
    );
  }
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
