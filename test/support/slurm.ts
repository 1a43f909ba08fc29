/** A real Slurm with two nodes on this host, each a machine with its own host name and processes (machines.ts). */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findOnPath } from '../../src/platform/programs.ts';
import { freePorts } from '../../src/platform/ports.ts';
import { commandOutput } from '../../src/platform/process-identity.ts';
import { startMachine, whyNoMachines, type Machine } from './machines.ts';

const PACKAGES = ['slurmctld', 'slurmd', 'slurm-client', 'munge'];
const INSTALL_LOCK = join(tmpdir(), 'install-slurm.lock');
const PROGRAMS = ['slurmctld', 'slurmd', 'sbatch', 'munged'];

export interface SlurmCluster {
  /** The folder with its configuration, logs and sockets. */
  readonly folder: string;
  /** The variables with which Slurm's commands and jobs find the cluster. */
  readonly environment: { readonly SLURM_CONF: string };
  /** Runs a command of Slurm, and returns its output. */
  run(program: string, ...programArguments: string[]): Promise<string>;
  /** Kills a node with all its processes, as if its power was cut. */
  killNode(name: SlurmNode): Promise<void>;
  startNode(name: SlurmNode): Promise<void>;
  killController(): Promise<void>;
  /** Whether the controller still knows a job of the name when it is killed now and started again. */
  hasSaved(jobName: string): Promise<boolean>;
  startController(): Promise<void>;
  close(): Promise<void>;
}

export const SLURM_NODES = ['n1', 'n2'] as const;
export type SlurmNode = (typeof SLURM_NODES)[number];

/**
 * Why there is no Slurm here, for a test to skip with; undefined if there is. Installs it in CI and with `TEST_SLURM=1`.
 * @param more packages that a test needs too, each with the name of one of its programs
 */
export function whyNoSlurm(more: Readonly<Record<string, string>> = {}): string | undefined {
  const machines = whyNoMachines();
  if (machines !== undefined) return machines;
  const programs = [...PROGRAMS, ...Object.values(more)];
  const install = `apt-get install -y --no-install-recommends ${[...PACKAGES, ...Object.keys(more)].join(' ')}`;
  const isInstalled = () => programs.every((name) => findOnPath(name) !== undefined);
  // While another test file installs it, its programs are there before their users are.
  if (existsSync(INSTALL_LOCK)) execFileSync('flock', [INSTALL_LOCK, 'true']);
  if (isInstalled()) return undefined;
  const mayInstall = process.env.CI === 'true' || process.env.TEST_SLURM === '1';
  if (!mayInstall || findOnPath('apt-get') === undefined)
    return `needs Slurm: ${install} (TEST_SLURM=1 runs this command)`;
  try {
    // Two test files may need it at the same time.
    execFileSync('flock', [INSTALL_LOCK, 'bash', '-c', `apt-get update && ${install}`], {
      stdio: 'pipe',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    return `${install} failed: ${String(error)}`;
  }
  return isInstalled() ? undefined : `${install} did not install ${programs.join(', ')}`;
}

/**
 * Starts the cluster, and waits until its nodes are idle.
 * @param lines more lines of slurm.conf
 */
export async function startSlurm(lines: readonly string[] = []): Promise<SlurmCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'slurm-'));
  // munged and the nodes read it.
  chmodSync(folder, 0o755);
  for (const name of ['state', 'log', 'munge', 'socket']) mkdirSync(join(folder, name));
  const ports = await freePorts(4);
  const configuration = join(folder, 'slurm.conf');
  writeFileSync(configuration, [...slurmConfiguration(folder, ports), ...lines, ''].join('\n'));
  const environment = { SLURM_CONF: configuration };
  const munged = await startMunge(folder);
  const start = (program: string, ...programArguments: string[]): ChildProcess => {
    const log = openSync(join(folder, 'log', `${program}.out`), 'a');
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...programArguments], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...environment },
    });
    closeSync(log);
    return child;
  };
  const kill = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  let controller: ChildProcess | undefined;
  const nodes = new Map<SlurmNode, Machine>();
  const cluster: SlurmCluster = {
    folder,
    environment,
    async run(program, ...programArguments) {
      const { stdout } = await promisify(execFile)(program, programArguments, {
        env: { ...process.env, ...environment },
      });
      return stdout.trim();
    },
    async killNode(name) {
      await nodes.get(name)?.kill();
      nodes.delete(name);
    },
    async startNode(name) {
      const machine = await startMachine(name);
      nodes.set(name, machine);
      const log = openSync(join(folder, 'log', `${name}.out`), 'a');
      machine.spawn(['slurmd', '-D', '-N', name, '-f', configuration], {
        stdio: ['ignore', log, log],
        env: { ...process.env, ...environment },
      });
      closeSync(log);
    },
    async killController() {
      if (controller !== undefined) await kill(controller);
    },
    async hasSaved(jobName) {
      const state = await readFile(join(folder, 'state', 'job_state'), 'latin1').catch(() => '');
      return state.includes(jobName);
    },
    startController() {
      controller = start('slurmctld', '-D', '-f', configuration);
      return Promise.resolve();
    },
    async close() {
      for (const name of SLURM_NODES) await cluster.killNode(name);
      await cluster.killController();
      await kill(munged);
      await rm(folder, { recursive: true, force: true });
    },
  };
  await cluster.startController();
  for (const name of SLURM_NODES) await cluster.startNode(name);
  await untilIdle(cluster);
  return cluster;
}

/** Waits until all nodes are idle. */
export async function untilIdle(cluster: SlurmCluster): Promise<void> {
  const idleNodes = () => cluster.run('sinfo', '-h', '-o', '%D', '-t', 'idle').catch(() => '');
  const deadline = Date.now() + 60_000;
  while ((await idleNodes()) !== String(SLURM_NODES.length)) {
    if (Date.now() > deadline) throw new Error(`Slurm did not start; its files: ${cluster.folder}`);
    await sleep(100);
  }
}

function slurmConfiguration(folder: string, [controller, first, second]: readonly number[]): string[] {
  const host = hostname();
  return [
    'ClusterName=test',
    // Jobs listen at ports that follow from their ids, and two clusters of this host share its ports.
    `FirstJobId=${randomInt(1, 1_000_000)}`,
    `SlurmctldHost=${host}(127.0.0.1)`,
    `SlurmctldPort=${controller}`,
    'AuthType=auth/munge',
    `AuthInfo=socket=${folder}/socket/munge.sock`,
    'CredType=cred/munge',
    'SlurmUser=root',
    'SlurmdUser=root',
    `StateSaveLocation=${folder}/state`,
    `SlurmdSpoolDir=${folder}/spool.%n`,
    `SlurmctldPidFile=${folder}/slurmctld.pid`,
    `SlurmdPidFile=${folder}/slurmd.%n.pid`,
    `SlurmctldLogFile=${folder}/log/slurmctld.log`,
    `SlurmdLogFile=${folder}/log/slurmd.%n.log`,
    'ProctrackType=proctrack/linuxproc',
    'TaskPlugin=task/none',
    'MpiDefault=none',
    'SelectType=select/cons_tres',
    'SelectTypeParameters=CR_Core',
    'SchedulerType=sched/backfill',
    'SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0',
    'JobAcctGatherType=jobacct_gather/none',
    'AccountingStorageType=accounting_storage/none',
    'ReturnToService=2',
    'SlurmdTimeout=10',
    'SlurmctldTimeout=10',
    'InactiveLimit=0',
    'KillWait=30',
    'MinJobAge=300',
    'Waittime=0',
    // Also if the host has fewer processors.
    'SlurmdParameters=config_overrides',
    ...[first, second].map(
      (port, index) =>
        `NodeName=${SLURM_NODES[index]} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${port} CPUs=2 RealMemory=2000 State=UNKNOWN`,
    ),
    'PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP',
  ];
}

/** munged refuses to run as root in folders of other users. */
async function startMunge(folder: string): Promise<ChildProcess> {
  const files = join(folder, 'munge');
  const key = join(files, 'key');
  const socket = join(folder, 'socket', 'munge.sock');
  writeFileSync(key, randomBytes(1024), { mode: 0o400 });
  const [uid, gid] = ['-u', '-g'].map((option) => Number(commandOutput('id', [option, 'munge'])));
  for (const path of [key, files, join(folder, 'socket')]) chownSync(path, uid as number, gid as number);
  chmodSync(files, 0o700);
  const child = spawn(
    'setpriv',
    [
      ...['--reuid', 'munge', '--regid', 'munge', '--clear-groups', '--pdeathsig', 'KILL'],
      ...['/usr/sbin/munged', '--foreground'],
      ...[`--socket=${socket}`, `--key-file=${key}`, `--log-file=${files}/log`, `--pid-file=${files}/pid`],
      ...[`--seed-file=${files}/seed`, '--num-threads=2'],
    ],
    { stdio: 'ignore' },
  );
  while (!existsSync(socket)) {
    if (child.exitCode !== null) throw new Error(`munged ended with exit code ${child.exitCode}`);
    await sleep(20);
  }
  return child;
}
