import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  devServerPorts,
  requireFreePorts,
  startDevServer,
  isTemporalReachable,
} from '../../../src/cli/temporal/dev-server.ts';
import { freeServerPorts } from '../../../tools/setup/free-ports.ts';

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
    assert.deepEqual(devServerPorts(environment, { port: '7400' }), { grpc: 7400, ui: 8300, http: 7243 });
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
  }).timeout(60_000);
});
