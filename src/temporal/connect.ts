/** Connects to Temporal. Errors state within seconds what is wrong, where, and what to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type ConnectionOptions, isGrpcServiceError } from '@temporalio/client';
import { TemporalUnreachable } from './temporal-unreachable.ts';
import { diagnoseConnection } from './connection-problem.ts';
import type { TemporalSettings } from './settings.ts';

/** The address of the development server, which is the default. */
export const LOCAL_ADDRESS = '127.0.0.1:7233';

/**
 * A diagnosed problem counts only if the SDK doesn't connect within this time, because the SDK may use another route,
 * such as a proxy.
 */
const OTHER_WAY_MILLISECONDS = 2_000;
const CALL_MILLISECONDS = 10_000;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;
const UNAUTHENTICATED = 16;

/** The settings in the form in which the SDK's connections take them, for the client and the worker. */
export function connectionOptions({ address, apiKey, metadata, tls }: TemporalSettings) {
  return {
    address: address ?? LOCAL_ADDRESS,
    ...(apiKey === undefined ? {} : { apiKey }),
    metadata,
    tls:
      tls === undefined
        ? false
        : {
            ...(tls.serverName === undefined ? {} : { serverNameOverride: tls.serverName }),
            ...(tls.serverAuthority === undefined ? {} : { serverRootCACertificate: tls.serverAuthority }),
            ...(tls.client === undefined
              ? {}
              : { clientCertPair: { crt: tls.client.certificate, key: tls.client.key } }),
          },
  } satisfies ConnectionOptions;
}

/**
 * Connects, and checks that the server accepts the credentials for the namespace.
 * @throws TemporalUnreachable that says what to change, at the latest after {@link CALL_MILLISECONDS} for each of the
 * two steps
 */
export async function connectToServer(settings: TemporalSettings): Promise<Connection> {
  const { namespace } = settings;
  const options = connectionOptions(settings);
  let connection: Connection | undefined;
  try {
    connection = await connectOrSayWhy(options, settings);
    const { workflowService } = connection;
    await connection.withDeadline(Date.now() + CALL_MILLISECONDS, () =>
      workflowService.describeNamespace({ namespace }),
    );
    return connection;
  } catch (error) {
    await connection?.close();
    if (error instanceof TemporalUnreachable) throw error;
    throw new TemporalUnreachable(
      `The Temporal server at ${options.address} ${answerProblem(error, settings)}.`,
      {
        cause: error,
      },
    );
  }
}

/** Connects and diagnoses problems concurrently, because the SDK tries for ten seconds and then gives no reason. */
async function connectOrSayWhy(options: ConnectionOptions, settings: TemporalSettings): Promise<Connection> {
  const { address = '' } = options;
  const connecting = Connection.connect({ ...options, connectTimeout: CALL_MILLISECONDS });
  const connected = new AbortController();
  const diagnosing = diagnoseConnection(address, settings.tls, connected.signal);
  const problem = await Promise.race([
    diagnosing,
    connecting.then(
      () => connected.abort(),
      () => diagnosing,
    ),
  ]);
  if (problem === undefined) return connecting;
  const late = await Promise.race([connecting.catch(() => undefined), sleep(OTHER_WAY_MILLISECONDS)]);
  if (late !== undefined) return late;
  // If this connection is still made later, nothing uses it.
  connecting.then((connection) => connection.close()).catch(() => undefined);
  throw new TemporalUnreachable(problem);
}

/** The problem according to the server's answer, as the end of a sentence that begins with the server's address. */
function answerProblem(error: unknown, { namespace, apiKey, tls }: TemporalSettings): string {
  const answer = grpcErrorIn(error);
  const reason = answer?.details ?? (error instanceof Error ? error.message : String(error));
  // The server's message might contain the key.
  const text = apiKey === undefined ? reason : reason.replaceAll(apiKey, '[key]');
  const who =
    apiKey !== undefined
      ? 'the API key (TEMPORAL_API_KEY, or api_key of the profile; a key expires)'
      : tls?.client === undefined
        ? 'calls without an API key (set TEMPORAL_API_KEY, or api_key of the profile)'
        : 'the client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH), or calls without an API key (TEMPORAL_API_KEY)';
  if (answer === undefined) return `does not answer: ${text}`;
  switch (answer.code) {
    case UNAUTHENTICATED:
      return `rejects ${who}: ${text}`;
    case PERMISSION_DENIED:
      return `rejects ${who} for the namespace ${JSON.stringify(namespace)} (TEMPORAL_NAMESPACE, or namespace of the profile): ${text}`;
    case NOT_FOUND:
      return (
        `has no namespace ${JSON.stringify(namespace)}: set TEMPORAL_NAMESPACE, or namespace of the profile, or create it with ` +
        `"temporal operator namespace create --namespace ${namespace}"`
      );
    case UNIMPLEMENTED:
      return `is not a Temporal server: the program that listens there does not know Temporal's calls (${text})`;
    default:
      return `does not answer: ${text}`;
  }
}

function grpcErrorIn(error: unknown): { code: number; details: string } | undefined {
  for (let current = error; current instanceof Error; current = current.cause)
    if (isGrpcServiceError(current)) return current;
  return undefined;
}
