import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import {
  createNetwork,
  startMachine,
  whyNoMachines,
  type Machine,
  type Network,
} from '../support/machines.ts';

/** What a command of a machine prints. */
async function output(machine: Machine, ...command: string[]): Promise<string> {
  const { child } = machine.spawn(command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [printed] = await Promise.all([text(child.stdout!), once(child, 'exit')]);
  return printed.trim();
}

/** Returns whether a machine gets an answer in so many seconds. Packets that were lost are sent again after a second. */
async function reaches(machine: Machine, address: string, seconds: number): Promise<boolean> {
  const [host = '', port = ''] = address.split(':');
  const script = `
    const connect = () => require('net').connect(${port}, '${host}')
      .on('data', (data) => { console.log(String(data)); process.exit(); })
      .on('error', () => setTimeout(connect, 100));
    connect();
    setTimeout(() => process.exit(), ${1000 * seconds});`;
  return (await output(machine, process.execPath, '-e', script)) === 'hello';
}

describe('machines for tests', function () {
  this.timeout(300_000);
  let network: Network;
  let here = '';

  before(async function () {
    const problem = whyNoMachines();
    if (problem !== undefined) {
      console.warn(`      skipped: ${problem}`);
      this.skip();
    }
    network = await createNetwork();
  });

  after(async () => {
    await network?.close();
    const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    const left = addresses.filter(({ address }) => here.startsWith(`${address}:`));
    assert.deepEqual(left, [], 'the network is left behind');
  });

  it('have their own host name and processes, and see the same files', async () => {
    const machine = await startMachine('n1');
    assert.equal(await output(machine, 'hostname'), 'n1');
    assert.notEqual(hostname(), 'n1');
    assert.equal(await output(machine, 'cat', '/proc/1/comm'), 'bash');
    assert.equal(await output(machine, 'pwd'), process.cwd());
    await machine.kill();
  });

  it('lose all their processes at once when they are killed, detached ones too', async () => {
    const machine = await startMachine('n1');
    const sleeping = machine.spawn(['bash', '-c', 'setsid sleep 1000 & sleep 1000']);
    const started = `while [ "$(grep -l sleep /proc/[0-9]*/comm | wc -l)" -lt 3 ]; do sleep 0.1; done`;
    await output(machine, 'bash', '-c', started);
    await machine.kill();
    const { child } = sleeping;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    assert.equal(child.signalCode ?? child.exitCode, 'SIGKILL');
    sleeping.signal('SIGTERM');
  });

  it('pass a signal on to one of their processes', async () => {
    const machine = await startMachine('n1');
    const waiting = machine.spawn(['bash', '-c', 'trap "exit 7" TERM; echo; while :; do sleep 0.1; done'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(waiting.child.stdout!, 'data');
    waiting.signal('SIGTERM');
    assert.deepEqual(await once(waiting.child, 'exit'), [7, null]);
    await machine.kill();
  });

  it('reach each other and this process, but not when they are cut off', async () => {
    const [a, b] = await Promise.all([network.startMachine('a'), network.startMachine('b')]);
    const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    here = await network.forward(port);
    const script = `require('net').createServer((socket) => socket.end('hello')).listen(8000, () => console.log())`;
    const { child } = b.spawn([process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout!, 'data');
    /** Asserts whether `a` reaches this process and `b`. An answer may take long, if there is one. */
    const assertReached = async (...expected: [here: boolean, b: boolean]) => {
      const addresses = [here, `${b.address}:8000`];
      const reached = addresses.map((each, index) => reaches(a, each, expected[index] === true ? 60 : 3));
      assert.deepEqual(await Promise.all(reached), expected);
    };
    try {
      await assertReached(true, true);
      await Promise.all([a.cutOff('machines'), b.cutOff('machines')]);
      await assertReached(true, false);
      await Promise.all([a.reconnect(), b.reconnect()]);
      await a.cutOff('this process');
      await assertReached(false, true);
      await a.cutOff('everything');
      await assertReached(false, false);
      await a.reconnect();
      await assertReached(true, true);
    } finally {
      server.close();
    }
  });
});
