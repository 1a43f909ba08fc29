import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  portsFrom,
  requireFreePorts,
  startTemporal,
  temporalAnswers,
} from '../../../scripts/setup/dev-server.ts';
import { freeServerPorts } from '../../../scripts/setup/free-ports.ts';

function listen(): Promise<{ server: Server; port: number }> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1', () => {
      resolve({ server, port: (server.address() as AddressInfo).port });
    });
  });
}

describe('the ports of the development server', () => {
  it('come from options, then the environment, then the usual ones', () => {
    const environment = {
      SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT: '7300',
      SELF_TAUGHT_EVALUATOR_UI_PORT: '8300',
    };
    assert.deepEqual(portsFrom(environment, { port: '7400' }), { grpc: 7400, ui: 8300, http: 7243 });
    assert.throws(() => portsFrom({ SELF_TAUGHT_EVALUATOR_UI_PORT: '99999' }), {
      name: 'CommandError',
      message: /SELF_TAUGHT_EVALUATOR_UI_PORT is "99999"/,
    });
  });

  it('are refused by name, with what to set, when another program listens', async () => {
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

describe('startTemporal', () => {
  it('has a server that answers, holds its ports and ends when it is stopped', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dev-server-'));
    const ports = await freeServerPorts();
    const server = await startTemporal({ ports, dbFile: join(folder, 'temporal.db') });
    try {
      assert(await temporalAnswers(server.address));
      await assert.rejects(requireFreePorts(ports), /a Temporal server already answers on 127\.0\.0\.1/);
      assert.equal((await fetch(server.uiUrl)).status, 200);
      // Another one, on ports of its own, has to wait for the database.
      const order: string[] = [];
      void server.ended.then(() => order.push('the first has ended'));
      const other = startTemporal({ ports: await freeServerPorts(), dbFile: join(folder, 'temporal.db') });
      void other.then(() => order.push('the other is up'));
      await sleep(2000);
      await server.stop();
      await (await other).stop();
      assert.deepEqual(order, ['the first has ended', 'the other is up']);
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
    assert(!(await temporalAnswers(server.address)));
  }).timeout(60_000);
});
