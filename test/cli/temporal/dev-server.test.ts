import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DevServer,
  devServerPorts,
  requireFreePorts,
  startDevServer,
  isTemporalReachable,
} from '../../../src/cli/temporal/dev-server.ts';
import { freePort } from '../../../src/platform/ports.ts';
import { freeServerPorts } from '../../../tools/setup/free-ports.ts';
import { listeners } from '../../support/listeners.ts';
import { send, type SentRequest } from '../../support/send-request.ts';

function listen(): Promise<{ server: Server; port: number }> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1', () => {
      resolve({ server, port: (server.address() as AddressInfo).port });
    });
  });
}

describe('the ports of the development server', () => {
  it('come from options, else the environment, else the defaults', () => {
    const environment = {
      SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT: '7300',
      SELF_TAUGHT_EVALUATOR_UI_PORT: '8300',
    };
    assert.deepEqual(devServerPorts(environment, { port: '7400' }), {
      ...{ grpc: 7400, ui: 8300, http: undefined },
    });
    assert.throws(() => devServerPorts({ SELF_TAUGHT_EVALUATOR_UI_PORT: '99999' }), {
      name: 'CommandError',
      message: /SELF_TAUGHT_EVALUATOR_UI_PORT is "99999"/,
    });
  });

  it('are rejected with what to set if another program listens on one of them', async () => {
    const ports = await freeServerPorts();
    const { server, port } = await listen();
    try {
      await assert.rejects(requireFreePorts({ ...ports, ui: port }), {
        name: 'SetupError',
        message: new RegExp(
          `^Port ${port} for the Temporal Web UI is in use: another program.*\\n.*--ui-port ${port + 1}, or set SELF_TAUGHT_EVALUATOR_UI_PORT`,
        ),
      });
      await assert.rejects(requireFreePorts({ ...ports, grpc: port }), /another program listens there/);
    } finally {
      server.close();
    }
  });
});

describe('startDevServer', () => {
  it('starts a server that answers, uses its ports, and exits when it is stopped', async () => {
    // The server reads the name of its database as an address.
    const folder = mkdtempSync(join(tmpdir(), "it's 50% #1? dev-server-"));
    const ports = await freeServerPorts();
    await assert.rejects(startDevServer({ ports, databaseFile: join(folder, 'runs#1.db') }), {
      name: 'SetupError',
      message: /can't open the database .*runs#1\.db: its name must not have/,
    });
    const server = await startDevServer({ ports, databaseFile: join(folder, 'temporal.db') });
    assert(existsSync(join(folder, 'temporal.db')));
    try {
      assert(await isTemporalReachable(server.address));
      await assert.rejects(requireFreePorts(ports), /a Temporal server already answers on 127\.0\.0\.1/);
      assert.equal((await fetch(server.uiUrl)).status, 200);
      // Another server on other ports has to wait for the database.
      const order: string[] = [];
      void server.ended.then(() => order.push('the first has ended'));
      const other = startDevServer({
        ports: await freeServerPorts(),
        databaseFile: join(folder, 'temporal.db'),
      });
      void other.then(() => order.push('the other is up'));
      await sleep(2000);
      await server.stop();
      await (await other).stop();
      assert.deepEqual(order, ['the first has ended', 'the other is up']);
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
    assert(!(await isTemporalReachable(server.address)));
  }).timeout(180_000);
});

/** Requests that a page of another origin may send without asking the browser's user or the server first. */
const START = JSON.stringify({ workflowType: { name: 'any' }, taskQueue: { name: 'any' } });
const FROM_A_PAGE = { origin: 'http://page.example', 'content-type': 'text/plain' };

describe('a page of another origin', function () {
  this.timeout(180_000);
  let folder: string | undefined;
  let server: DevServer;
  let http: number;
  const namespace = '/api/v1/namespaces/default/workflows';

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    folder = mkdtempSync(join(tmpdir(), 'pages-'));
    http = await freePort();
    const ports = { ...(await freeServerPorts()), http };
    process.env['JUDGE_KEY'] = 'sk-secret';
    server = await startDevServer({ ports, databaseFile: join(folder, 'temporal.db') });
  });
  after(async () => {
    delete process.env['JUDGE_KEY'];
    await server?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  it("finds no key in the server's environment", () => {
    const names = readFileSync(`/proc/${server.pid}/environ`, 'utf8')
      .split('\0')
      .map((line) => line.split('=')[0]);
    assert(names.includes('PATH'));
    assert(!names.includes('JUDGE_KEY'));
  });

  it("starts nothing at any port on which Temporal's server listens, and reads nothing there", async () => {
    const { port: grpc } = new URL(`http://${server.address}`);
    const all = listeners(server.pid);
    assert.deepEqual(new Set(all.map(({ isLoopback }) => isLoopback)), new Set([true]));
    const ports = all.map(({ port }) => port).filter((port) => port !== Number(grpc));
    assert(ports.length >= 2, String(ports));
    for (const port of ports) {
      const url = `http://127.0.0.1:${port}${namespace}`;
      const posted = await send(`${url}/a`, { method: 'POST', headers: FROM_A_PAGE, body: START }).catch(
        () => undefined, // Not HTTP: a port of the server's own.
      );
      assert(posted === undefined || (posted.status ?? 0) >= 400, `${port}: ${posted?.text}`);
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await send(url, {
          method,
          headers: { ...FROM_A_PAGE, 'access-control-request-method': 'POST' },
        }).catch(() => undefined);
        assert.equal(answer?.headers['access-control-allow-origin'], undefined, `${method} ${port}`);
      }
    }
  });

  it('gets 403 of the HTTP API that was asked for, also under a name that leads to this machine', async () => {
    const url = `http://127.0.0.1:${http}${namespace}`;
    const attempts: Record<string, SentRequest> = {
      post: { method: 'POST', headers: FROM_A_PAGE, body: START },
      sandboxed: { method: 'POST', headers: { ...FROM_A_PAGE, origin: 'null' }, body: START },
      'without origin': { headers: { 'sec-fetch-site': 'cross-site' } },
      rebound: { headers: { host: `page.example:${http}` } },
      'rebound post': {
        method: 'POST',
        headers: { host: `page.example:${http}`, 'content-type': 'application/json' },
        body: START,
      },
    };
    for (const [name, attempt] of Object.entries(attempts)) {
      const { status, headers } = await send(attempt.method === 'POST' ? `${url}/b` : url, attempt);
      assert.equal(status, 403, name);
      assert.equal(headers['access-control-allow-origin'], undefined);
    }
    const listed = await send(url);
    assert.deepEqual([listed.status, listed.text.includes('"any"')], [200, false], listed.text);
    assert.equal(listed.headers['x-content-type-options'], 'nosniff');
    // A program may.
    const started = await send(`${url}/c`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: START,
    });
    assert.deepEqual([started.status, started.text.includes('"started":true')], [200, true], started.text);
  });
});
