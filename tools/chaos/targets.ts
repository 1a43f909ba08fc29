/** Finds what can be killed: processes of the cluster and those that the store's files name, or machines as a whole. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { machineName } from '../../src/platform/machine-name.ts';
import { isSameProcessAlive, type ProcessIdentity } from '../../src/platform/process-identity.ts';
import { MACHINES } from '../../src/models/serving/served-models.ts';
import { openObjectStore } from '../../src/store/drivers.ts';
import { sendSignal } from '../../src/platform/process-group.ts';
import { openServerRegistry } from '../../src/models/serving/server-registry.ts';
import { leaseSchema } from '../../src/models/training/job.ts';
import type { Cluster } from './cluster.ts';

export const TARGET_KINDS = [
  'worker',
  'trainer',
  'model server',
  'Temporal server',
  'S3 server',
  'machine',
] as const;
export type TargetKind = (typeof TARGET_KINDS)[number];

export interface Target {
  readonly kind: TargetKind;
  readonly pid: number;
  /** Its name, if it is a machine. */
  readonly name?: string;
  /** Whether it is a trainer, or a machine with one. */
  readonly trains: boolean;
  /** Whether that trainer has made a step. */
  readonly hasStepped: boolean;
  /** Sends SIGKILL and waits until the process is gone; returns false if it had ended by itself since it was found. */
  kill(): Promise<boolean>;
}

/** The machines, if the workers are on machines of their own; otherwise the processes. */
export async function findTargets(cluster: Cluster, runName: string): Promise<Target[]> {
  const { storeRoot, storeFolder, workers, temporal, bucketServer, machines } = cluster;
  const leases = trainers(storeFolder, runName);
  if (machines !== undefined)
    return workers.flatMap((worker) => {
      const { pid = 0 } = worker;
      const name = machines.get(pid)?.name;
      if (name === undefined) return [];
      const lease = leases.find(({ host }) => host === name);
      const hasStepped = lease?.hasStepped ?? false;
      return [
        { kind: 'machine', pid, name, trains: lease !== undefined, hasStepped, kill: () => worker.kill() },
      ];
    });
  const supervised = [
    ...workers.map((worker) => ({ kind: 'worker' as const, process: worker })),
    { kind: 'Temporal server' as const, process: temporal },
    ...(bucketServer === undefined ? [] : [{ kind: 'S3 server' as const, process: bucketServer }]),
  ].flatMap(({ kind, process }) =>
    process.pid === undefined
      ? []
      : [{ kind, pid: process.pid, trains: false, hasStepped: false, kill: () => process.kill() }],
  );
  const ownProcesses = [
    ...(await modelServers(storeRoot)).map((identity) => ({
      ...{ kind: 'model server' as const, identity, hasStepped: false },
    })),
    ...leases.map(({ hasStepped, ...identity }) => ({ kind: 'trainer' as const, identity, hasStepped })),
  ];
  const alive = await Promise.all(
    ownProcesses.map(async ({ kind, identity, hasStepped }) => {
      if (!(await isSameProcessAlive(identity))) return [];
      const trains = kind === 'trainer';
      return [{ kind, pid: identity.pid, trains, hasStepped, kill: () => killProcess(identity) }];
    }),
  );
  return [...supervised, ...alive.flat()];
}

async function modelServers(storeRoot: string): Promise<ProcessIdentity[]> {
  const folder = join(openObjectStore(storeRoot).localRoot, MACHINES, await machineName(), 'servers');
  return existsSync(folder)
    ? openServerRegistry(folder)
        .list()
        .map((entry) => entry.process)
    : [];
}

function trainers(storeRoot: string, runName: string): (ProcessIdentity & { hasStepped: boolean })[] {
  return globSync(join(storeRoot, runName, 'iteration-*', 'train{ing,er}', 'lease.json')).flatMap((file) => {
    try {
      const lease = leaseSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
      const progress = statSync(join(dirname(file), 'progress.jsonl'), { throwIfNoEntry: false });
      const started = statSync(join(dirname(file), 'starts', lease.token, 'job.json'));
      return [{ ...lease, hasStepped: progress !== undefined && progress.mtimeMs > started.mtimeMs }];
    } catch {
      // The trainer has ended in the meantime.
      return [];
    }
  });
}

async function killProcess(identity: ProcessIdentity): Promise<boolean> {
  if (!sendSignal(identity.pid, 'SIGKILL')) return false;
  while (await isSameProcessAlive(identity)) await sleep(2);
  return true;
}
