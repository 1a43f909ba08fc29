/** Connections to Temporal that say what is wrong, where, and what to do, within seconds. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type ConnectionOptions, isGrpcServiceError } from '@temporalio/client';
import { TemporalUnreachable } from '../setting-error.ts';
import { problemOnTheWay } from './problem.ts';
import type { TemporalSettings } from './settings.ts';

/** Where the development server is that nothing names. */
export const LOCAL_ADDRESS = '127.0.0.1:7233';

/** A problem on the way is the reason where no connection has come about so long after; there may be another way, a proxy's. */
const OTHER_WAY_MILLISECONDS = 2_000;
const CALL_MILLISECONDS = 10_000;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;
const UNAUTHENTICATED = 16;

/** The settings as the SDK's connections take them, of the client and of the worker. */
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
 * Connects, and looks whether the server lets us into the namespace.
 * @throws TemporalUnreachable that says what to set where it doesn't: at the latest after {@link CALL_MILLISECONDS} for each of the two
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

/** Tries to connect and looks at the way at once: the SDK alone goes on trying for ten seconds, and then says nothing. */
async function connectOrSayWhy(options: ConnectionOptions, settings: TemporalSettings): Promise<Connection> {
  const { address = '' } = options;
  const connecting = Connection.connect({ ...options, connectTimeout: CALL_MILLISECONDS });
  const looking = problemOnTheWay(address, settings.tls);
  const found = await Promise.race([
    looking,
    connecting.then(
      () => undefined,
      () => looking,
    ),
  ]);
  if (found === undefined) return connecting;
  const late = await Promise.race([connecting.catch(() => undefined), sleep(OTHER_WAY_MILLISECONDS)]);
  if (late !== undefined) return late;
  // Nobody waits for it any more.
  connecting.then((connection) => connection.close()).catch(() => undefined);
  throw new TemporalUnreachable(found);
}

/** What the server's answer means, as the end of a sentence that begins with its address. */
function answerProblem(error: unknown, { namespace, apiKey, tls }: TemporalSettings): string {
  const answer = grpcErrorIn(error);
  const reason = answer?.details ?? (error instanceof Error ? error.message : String(error));
  // A server might quote what it was sent.
  const said = apiKey === undefined ? reason : reason.replaceAll(apiKey, '[key]');
  const who =
    apiKey !== undefined
      ? 'the API key (TEMPORAL_API_KEY, or api_key of the profile; a key expires)'
      : tls?.client === undefined
        ? 'calls without an API key (set TEMPORAL_API_KEY, or api_key of the profile)'
        : 'the client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH), or calls without an API key (TEMPORAL_API_KEY)';
  if (answer === undefined) return `does not answer: ${said}`;
  switch (answer.code) {
    case UNAUTHENTICATED:
      return `refuses ${who}: ${said}`;
    case PERMISSION_DENIED:
      return `refuses ${who} for the namespace ${JSON.stringify(namespace)} (TEMPORAL_NAMESPACE, or namespace of the profile): ${said}`;
    case NOT_FOUND:
      return (
        `has no namespace ${JSON.stringify(namespace)}: set TEMPORAL_NAMESPACE, or namespace of the profile, or make it by ` +
        `"temporal operator namespace create --namespace ${namespace}"`
      );
    case UNIMPLEMENTED:
      return `is none: what listens there does not know Temporal's calls (${said})`;
    default:
      return `does not answer: ${said}`;
  }
}

function grpcErrorIn(error: unknown): { code: number; details: string } | undefined {
  for (let current = error; current instanceof Error; current = current.cause)
    if (isGrpcServiceError(current)) return current;
  return undefined;
}
