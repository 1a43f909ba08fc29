import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { SettingError } from '../platform/setting-error.ts';
import { type ListenAddress, formatListenAddress } from './listen-address.ts';

/** The parts of the worker that readiness depends on; filled in while it starts. */
export interface HealthSources {
  connection: NativeConnection | undefined;
  readonly workers: Worker[];
  /** Aborts when the worker begins to stop. */
  readonly stopping: AbortSignal;
}

export interface HealthServer {
  close(): Promise<void>;
}

/** Timeout of the request to Temporal; below the timeout of a probe, which is a second or more. */
const PROBE_TIMEOUT_MS = 800;

/**
 * Answers `GET /healthz` with 200 while the process runs, and `GET /readyz` with 200 while it accepts work: Temporal
 * answers, every worker polls, and the worker is not stopping. Otherwise `/readyz` answers 503 with `{ready, problems}`, without the
 * problems to a page in a browser whose name leads to this machine.
 * @throws SettingError that names the option, if the address can't be bound
 */
export async function serveHealth(address: ListenAddress, sources: HealthSources): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const path = URL.parse(request.url ?? '', 'http://worker')?.pathname;
    if (request.method !== 'GET' && request.method !== 'HEAD') return respond(response, 405, {});
    if (path === '/healthz') return respond(response, 200, { alive: true });
    if (path !== '/readyz') return respond(response, 404, { paths: ['/healthz', '/readyz'] });
    void readinessProblems(sources).then((problems) => {
      const ready = problems.length === 0;
      respond(response, ready ? 200 : 503, isOwnName(request.headers.host) ? { ready, problems } : { ready });
    });
  });
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(
      `--health-address ${formatListenAddress(address)} can't be bound (${reason}): give each worker of a machine an address of its own`,
    );
  }
  // This listener alone does not keep the process running.
  server.unref();
  return {
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Returns whether a request was sent to an address or to this machine's name, and not to a name that somebody else lets lead here. */
function isOwnName(host = ''): boolean {
  const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$/g, '') ?? '';
  return isIP(name) !== 0 || name === 'localhost' || name === hostname().toLowerCase();
}

/** Without a header for other origins a page of theirs can't read the answer. */
function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  });
  response.end(`${JSON.stringify(body)}\n`);
}

async function readinessProblems({ workers, connection, stopping }: HealthSources): Promise<string[]> {
  if (stopping.aborted) return ['the worker is stopping'];
  if (connection === undefined || workers.length === 0) return ['the worker is starting'];
  const waiting = workers.filter((worker) => worker.getState() !== 'RUNNING');
  return [
    ...waiting.map((worker) => `the worker of queue ${worker.options.taskQueue} is ${worker.getState()}`),
    ...(await checkTemporal(connection)),
  ];
}

async function checkTemporal(connection: NativeConnection): Promise<string[]> {
  try {
    await connection.withDeadline(Date.now() + PROBE_TIMEOUT_MS, () =>
      connection.workflowService.getSystemInfo({}),
    );
    return [];
  } catch (error) {
    return [`Temporal doesn't answer: ${error instanceof Error ? error.message : String(error)}`];
  }
}
