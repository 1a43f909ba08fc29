import assert from 'node:assert/strict';
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { type DevServer, startDevServer } from '../../src/cli/temporal/dev-server.ts';
import { cacheFolder } from '../../src/platform/cache-folder.ts';
import { isOwnDevServer } from '../../src/temporal/own-dev-server.ts';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';

describe('the proof that this checkout has started a Temporal server', function () {
  this.timeout(180_000);
  let folder: string;
  let server: DevServer;
  let other: DevServer;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'own-server-'));
    const start = async (name: string) =>
      startDevServer({ ports: await freeServerPorts(), databaseFile: join(folder, name, 'temporal.db') });
    server = await start('own');
    other = await start('other');
  });

  after(async () => {
    await Promise.all([server.stop(), other.stop()]);
    await rm(folder, { recursive: true });
  });

  const fileOf = ({ address }: DevServer) =>
    join(cacheFolder(process.env, process.platform), 'dev-servers', `${address.split(':')[1]}.json`);

  async function isOwn(address: string, claimed = address): Promise<boolean> {
    const connection = await Connection.connect({ address });
    try {
      return await isOwnDevServer(connection, claimed, process.env);
    } finally {
      await connection.close();
    }
  }

  it('holds for its address, and not for a tunnel to another server at the same loopback', async () => {
    assert(await isOwn(server.address));
    assert(await isOwn(server.address.replace('127.0.0.1', 'localhost')));
    const [host = '', port] = server.address.split(':');
    const tunnel = createServer((socket) => {
      const target = connect(Number(port), host);
      // Either end may be closed while the other one still sends.
      for (const end of [socket, target])
        end
          .on('error', () => undefined)
          .on('close', () => {
            socket.destroy();
            target.destroy();
          });
      socket.pipe(target).pipe(socket);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => tunnel.once('listening', resolve));
    assert(!(await isOwn(`127.0.0.1:${(tunnel.address() as AddressInfo).port}`)));
    tunnel.close();
    // The address of the own server, behind which another one answers.
    assert(!(await isOwn(other.address, server.address)));
  });

  it('does not hold by a file that others can write, or that is about another process or checkout', async () => {
    const file = fileOf(server);
    const text = await readFile(file, 'utf8');
    await chmod(file, 0o620);
    assert(!(await isOwn(server.address)));
    await chmod(file, 0o600);
    assert(await isOwn(server.address));
    const proof = JSON.parse(text) as { packageRoot: string; process: { startTime: string } };
    for (const wrong of [
      { ...proof, packageRoot: '/elsewhere' },
      { ...proof, process: { ...proof.process, startTime: '1' } },
      { ...proof, clusterId: 'another' },
    ]) {
      await writeFile(file, JSON.stringify(wrong));
      assert(!(await isOwn(server.address)), JSON.stringify(wrong));
    }
    await copyFile(fileOf(other), file);
    assert(!(await isOwn(server.address)));
    await writeFile(file, text);
    assert(await isOwn(server.address));
  });
});
