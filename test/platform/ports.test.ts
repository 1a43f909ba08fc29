import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sourceRoot } from '../../src/platform/package-root.ts';
import { claimPort, freePorts, isPortFree, portRange } from '../../src/platform/ports.ts';

function listen(port: number, host: string): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy()).listen(port, host, () => resolve(server));
  });
}

describe('a free port', () => {
  it('is below those that the system gives to outgoing connections', async () => {
    assert.deepEqual(portRange(16_000), { first: 10_000, end: 16_000 });
    // The usual first ports of Linux and macOS.
    assert.deepEqual(portRange(32_768), { first: 10_000, end: 30_000 });
    assert.deepEqual(portRange(49_152), { first: 10_000, end: 30_000 });
    const ports = await freePorts(20);
    assert.equal(new Set(ports).size, 20);
    if (process.platform === 'linux') {
      const outgoing = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
      assert(Math.max(...ports) < Number.parseInt(outgoing, 10), `${ports.join()} and ${outgoing}`);
    }
  });

  it('is chosen among the same ones if the system gives nearly all ports to outgoing connections', () => {
    assert.deepEqual(portRange(1_024), { first: 10_000, end: 30_000 });
  });

  it('is kept from other processes until its server listens, or the process that has chosen it ends', async () => {
    const ports = JSON.stringify(join(sourceRoot, 'platform', 'ports.ts'));
    const inAnother = async (work: string) => {
      const script = `import { claimPort, freePorts } from ${ports}; console.log(String(await ${work}))`;
      const options = ['--input-type=module', '--eval', script];
      return (await promisify(execFile)(process.execPath, options)).stdout.trim();
    };
    const [port] = (await freePorts(1)) as [number];
    assert.equal(await claimPort(port), false);
    assert.equal(await inAnother(`claimPort(${port})`), 'false');
    const server = await listen(port, '127.0.0.1');
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await claimPort(Number(await inAnother('freePorts(1)'))), true);
  });

  it('is one on which no program listens, at one address or at all', async () => {
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      const [port] = (await freePorts(1)) as [number];
      const server = await listen(port, host);
      assert.equal(await isPortFree(port), false, host);
      await new Promise((resolve) => server.close(resolve));
      assert.equal(await isPortFree(port), true, host);
    }
  });
});
