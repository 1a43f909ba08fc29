import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { SettingError } from '../setting-error.ts';
import { type Address, shownAddress } from './address.ts';

/** What readiness is seen from; the worker fills it in as it starts. */
export interface HealthSources {
  connection: NativeConnection | undefined;
  readonly workers: Worker[];
  /** Aborts when the worker begins to stop. */
  readonly stopping: AbortSignal;
}

export interface HealthServer {
  close(): Promise<void>;
}

/** Bound of the look at Temporal: below the time-out of a second or more that a probe has. */
const LOOK_MILLISECONDS = 800;

/**
 * Answers `GET /healthz` with 200 as long as the process does anything, and `GET /readyz` with 200 while it takes work:
 * Temporal answers, every worker polls, and it isn't stopping. Else 503 and what isn't: `{ready, problems}`.
 * @throws SettingError that names the option where the address can't be bound
 */
export async function serveHealth(address: Address, sources: HealthSources): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const path = URL.parse(request.url ?? '', 'http://worker')?.pathname;
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, {});
    if (path === '/healthz') return answer(response, 200, { alive: true });
    if (path !== '/readyz') return answer(response, 404, { paths: ['/healthz', '/readyz'] });
    void problemsOf(sources).then((problems) =>
      answer(response, problems.length === 0 ? 200 : 503, { ready: problems.length === 0, problems }),
    );
  });
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(
      `--health-address ${shownAddress(address)} can't be bound (${reason}): give each worker of a machine an address of its own`,
    );
  }
  // A worker that can't start ends; one that runs needs no listener to stay.
  server.unref();
  return {
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

async function problemsOf({ workers, connection, stopping }: HealthSources): Promise<string[]> {
  if (stopping.aborted) return ['the worker is stopping'];
  if (connection === undefined || workers.length === 0) return ['the worker is starting'];
  const waiting = workers.filter((worker) => worker.getState() !== 'RUNNING');
  return [
    ...waiting.map((worker) => `the worker of queue ${worker.options.taskQueue} is ${worker.getState()}`),
    ...(await temporalProblem(connection)),
  ];
}

async function temporalProblem(connection: NativeConnection): Promise<string[]> {
  try {
    await connection.withDeadline(Date.now() + LOOK_MILLISECONDS, () =>
      connection.workflowService.getSystemInfo({}),
    );
    return [];
  } catch (error) {
    return [`Temporal doesn't answer: ${error instanceof Error ? error.message : String(error)}`];
  }
}
