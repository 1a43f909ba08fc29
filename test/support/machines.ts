/**
 * Machines for tests, on one Linux host: each has its own host name, process ids and /proc, and on a network also its own
 * loopback and address. All see the same files, as machines that share a store do. They are made of namespaces, which the kernel
 * removes with all their processes when this process ends, however it ends.
 */
import { execFile, spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTo, createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { sendSignal } from '../../src/platform/process-group.ts';

const run = promisify(execFile);

const OWN = ['--uts', '--pid', '--mount'];
/** So that nothing outlives this process. */
const ENDS_WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL'];

/** A process in a machine. */
export interface MachineProcess {
  /** Ends when the process does, with its exit code or signal; a signal sent to it doesn't reach the process. */
  readonly child: ChildProcess;
  /** Sends a signal to the process itself; does nothing if it has ended. */
  signal(name: NodeJS.Signals): void;
}

export interface Machine {
  readonly name: string;
  /** Undefined without a network: the machine then shares the loopback of this process. */
  readonly address: string | undefined;
  /** The process id of its first process, as this process sees it. */
  readonly pid: number;
  /** Resolves when all its processes are gone. */
  readonly exited: Promise<unknown>;
  /** Starts a command in it; the options are those of node:child_process. */
  spawn(command: readonly string[], options?: SpawnOptions & { readonly cwd?: string }): MachineProcess;
  /** Kills all its processes with SIGKILL, detached ones too, and waits until they are gone. */
  kill(): Promise<void>;
  /**
   * Drops what is sent between it and the others from now on: packets are lost, and connections stay open, as when a cable is
   * pulled. Two machines that are both cut off from `machines` still reach this process.
   */
  cutOff(from: 'everything' | 'machines' | 'this process'): Promise<void>;
  /** Ends every {@link cutOff}. Both do nothing if the machine is gone. */
  reconnect(): Promise<void>;
}

export interface Network {
  /** Makes a server on this process's loopback, such as Temporal's, reachable from the machines; returns its host and port there. */
  forward(port: number): Promise<string>;
  /** Starts a machine that is connected to the network. Its name is its host name. */
  startMachine(name: string): Promise<Machine>;
  /** Kills its machines, and removes it. */
  close(): Promise<void>;
}

/** Why machines can't be made here, for a test to skip with; undefined if they can. */
export function whyNoMachines(): string | undefined {
  if (process.platform !== 'linux') return 'machines are made of namespaces, which only Linux has';
  const trial = 'hostname trial && ip link add port0 type veth peer name port1';
  const { error, status, stderr } = spawnSync(
    ...program([...ENDS_WITH_PARENT, ...unshare([...OWN, '--net']), 'sh', '-c', trial]),
    { encoding: 'utf8' },
  );
  if (status === 0) return undefined;
  const reason = error?.message ?? stderr.trim();
  return `machines need the rights of root, and setpriv, unshare and nsenter (util-linux) and ip (iproute2): ${reason}`;
}

/** Starts a machine that shares the network of this process. */
export async function startMachine(name: string): Promise<Machine> {
  return start(name, undefined);
}

/** Creates a network that only this process and the machines started on it are connected to. */
export async function createNetwork(): Promise<Network> {
  // The bridge has a namespace of its own, so that it ends with this process.
  const bridge = await startProcess([
    ...ENDS_WITH_PARENT,
    'unshare',
    '--net',
    'sh',
    '-c',
    'echo && exec sleep infinity',
  ]);
  const bridgePid = bridge.pid as number;
  const atBridge = (...command: string[]) => inNetwork(bridgePid, command);
  await atBridge('ip', 'link', 'add', 'name', 'bridge', 'type', 'bridge');
  await atBridge('ip', 'link', 'set', 'bridge', 'up');
  const subnet = await connectThisProcess(bridgePid);
  await atBridge('ip', 'link', 'set', 'host', 'master', 'bridge', 'up');
  const address = `${subnet}.1`;
  const machines: Promise<Machine>[] = [];
  const closing = new AbortController();
  return {
    async forward(port) {
      const listener = createServer((client) => {
        const server = connectTo({ host: '127.0.0.1', port });
        const end = () => {
          client.destroy();
          server.destroy();
        };
        for (const socket of [client, server]) socket.on('error', end).on('close', end);
        client.pipe(server).pipe(client);
        closing.signal.addEventListener('abort', end, { once: true });
      });
      listener.listen({ host: address, port: 0, signal: closing.signal });
      await once(listener, 'listening');
      return `${address}:${(listener.address() as AddressInfo).port}`;
    },
    startMachine(name) {
      const number = machines.length + 2;
      const connection = {
        bridgePid,
        hostAddress: address,
        address: `${subnet}.${number}`,
        port: `port${number}`,
      };
      const machine = start(name, connection);
      machines.push(machine);
      return machine;
    },
    async close() {
      await Promise.all(machines.map(async (machine) => (await machine).kill()));
      closing.abort();
      await atBridge('ip', 'link', 'delete', 'host');
      const ended = once(bridge, 'exit');
      bridge.kill('SIGKILL');
      await ended;
    },
  };
}

/** Where a machine is connected. */
interface Connection {
  readonly bridgePid: number;
  readonly hostAddress: string;
  readonly address: string;
  /** The name of its port at the bridge. */
  readonly port: string;
}

async function start(name: string, connection: Connection | undefined): Promise<Machine> {
  const own = [...OWN, ...(connection === undefined ? [] : ['--net'])];
  // Bash also collects processes whose parent has ended, as the first process of a machine must.
  const first = ['bash', '-c', 'hostname "$0" && echo && while :; do sleep infinity & wait; done', name];
  const parent = await startProcess([...ENDS_WITH_PARENT, ...unshare(own), ...first]);
  const exited = once(parent, 'exit');
  const pid = childOf(parent.pid as number) as number;
  if (connection !== undefined) await connect(connection, pid);
  const bridgePort = (...change: string[]) =>
    inNetwork(connection!.bridgePid, ['ip', 'link', 'set', connection!.port, ...change]);
  const route = (...change: string[]) => inNetwork(pid, ['ip', 'route', ...change]);
  const isGone = () => parent.exitCode !== null || parent.signalCode !== null;
  /** The network of a machine that is being killed can't be changed any more. */
  const unlessGone = async (change: () => Promise<void>) => {
    try {
      await change();
    } catch (error) {
      await Promise.race([exited, sleep(1_000)]);
      if (!isGone()) throw error;
    }
  };
  return {
    name,
    address: connection?.address,
    pid,
    exited,
    spawn(command, options = {}) {
      // Entering a mount namespace changes the working directory.
      const there = ['sh', '-c', 'cd "$0" && exec "$@"', options.cwd ?? process.cwd(), ...command];
      const child = spawn('nsenter', ['--target', `${pid}`, ...own, '--', ...there], options);
      return {
        child,
        signal(signal) {
          const target = child.pid === undefined ? undefined : childOf(child.pid);
          if (target !== undefined) sendSignal(target, signal);
        },
      };
    },
    async kill() {
      if (!isGone()) sendSignal(pid, 'SIGKILL');
      await exited;
    },
    async cutOff(from) {
      if (connection === undefined)
        throw new Error(`${name} is on no network, so it can't be cut off from one`);
      await unlessGone(() => {
        if (from === 'everything') return bridgePort('down');
        if (from === 'machines') return bridgePort('type', 'bridge_slave', 'isolated', 'on');
        return route('replace', 'blackhole', connection.hostAddress);
      });
    },
    reconnect: () =>
      unlessGone(async () => {
        await bridgePort('type', 'bridge_slave', 'isolated', 'off');
        await bridgePort('up');
        await route('flush', 'type', 'blackhole');
      }),
  };
}

/** Starts a process, and waits until it has printed a line. */
async function startProcess(command: readonly string[]): Promise<ChildProcess> {
  const child = spawn(...program(command), { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => {
      throw new Error(`${command.join(' ')} ended at once: ${errors.trim()}`);
    }),
  ]);
  return child;
}

/** Returns the first three numbers of the network's addresses. */
async function connectThisProcess(bridgePid: number): Promise<string> {
  const taken = Object.values(networkInterfaces()).flatMap(
    (each) => each?.map(({ address }) => address) ?? [],
  );
  for (let number = 0; number < 256; number += 1) {
    const subnet = `10.213.${number}`;
    const name = `machines${number}`;
    if (taken.includes(`${subnet}.1`)) continue;
    try {
      await run('ip', [
        'link',
        'add',
        'name',
        name,
        'type',
        'veth',
        'peer',
        'name',
        'host',
        'netns',
        `${bridgePid}`,
      ]);
    } catch (error) {
      // Another process has created it in the meantime.
      if (String(error).includes('File exists')) continue;
      throw error;
    }
    await run('ip', ['address', 'add', `${subnet}.1/24`, 'dev', name]);
    await run('ip', ['link', 'set', name, 'up']);
    return subnet;
  }
  throw new Error('all networks from 10.213.0.0 to 10.213.255.0 are in use');
}

async function connect({ bridgePid, address, port }: Connection, pid: number): Promise<void> {
  const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`];
  await inNetwork(bridgePid, ['ip', 'link', 'add', 'name', port, ...peer]);
  await inNetwork(bridgePid, ['ip', 'link', 'set', port, 'master', 'bridge', 'up']);
  await inNetwork(pid, ['ip', 'link', 'set', 'lo', 'up']);
  await inNetwork(pid, ['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0']);
  await inNetwork(pid, ['ip', 'link', 'set', 'eth0', 'up']);
}

async function inNetwork(pid: number, command: readonly string[]): Promise<void> {
  await run('nsenter', ['--target', `${pid}`, '--net', '--', ...command]);
}

/** The process that `unshare` or `nsenter` has started; undefined if it has ended. */
function childOf(pid: number): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return Number(child) || undefined;
  } catch {
    return undefined;
  }
}

function unshare(own: readonly string[]): string[] {
  return ['unshare', ...own, '--fork', '--kill-child', '--mount-proc', '--'];
}

function program([command = '', ...rest]: readonly string[]): [string, string[]] {
  return [command, rest];
}
