import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { startDevServer, type DevServer } from '../../src/cli/temporal/dev-server.ts';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';

describe('the Temporal development server with its database file', function () {
  this.timeout(120_000);
  let folder: string;
  let server: DevServer | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'temporal-killed-'));
  });

  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('keeps everything that it has acknowledged after it is killed and restarted', async () => {
    const ports = await freeServerPorts();
    const start = () => startDevServer({ ports, databaseFile: join(folder, 'temporal.db') });
    const names = Array.from({ length: 20 }, (_, index) => `workflow-${index}`);
    server = await start();
    let connection = await Connection.connect({ address: server.address });
    let client = new Client({ connection });
    for (const workflowId of names) {
      const handle = await client.workflow.start('any', { workflowId, taskQueue: 'nobody' });
      await handle.signal('said', workflowId);
    }
    process.kill(server.pid ?? assert.fail('no process id'), 'SIGKILL');
    await server.ended;
    await connection.close();

    server = await start();
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
    try {
      for (const workflowId of names) {
        const { status, historyLength } = await client.workflow.getHandle(workflowId).describe();
        assert.equal(status.name, 'RUNNING');
        // Started, scheduled a first task, signalled.
        assert.equal(historyLength, 3, workflowId);
      }
    } finally {
      await connection.close();
    }
  });
});
