/** What can be killed now, found through the store's own files, as anybody on the machine could find it. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSameProcessAlive, type ProcessIdentity } from '../../src/processes/identity.ts';
import { openRegistry } from '../../src/serving/registry.ts';
import { leaseSchema } from '../../src/training/job.ts';
import type { Cluster } from './cluster.ts';

export const KINDS = ['worker', 'trainer', 'model server', 'Temporal server'] as const;
export type Kind = (typeof KINDS)[number];

export interface Target {
  readonly kind: Kind;
  readonly pid: number;
  /** SIGKILL; done when the process is gone. */
  kill(): Promise<void>;
}

export async function findTargets(cluster: Cluster, runName: string): Promise<Target[]> {
  const { storeRoot, workers, temporal } = cluster;
  const supervised = [
    ...workers.map((worker) => ({ kind: 'worker' as const, process: worker })),
    { kind: 'Temporal server' as const, process: temporal },
  ].flatMap(({ kind, process }) =>
    process.pid === undefined ? [] : [{ kind, pid: process.pid, kill: () => process.kill() }],
  );
  const ownProcesses = [
    ...modelServers(storeRoot).map((identity) => ({ kind: 'model server' as const, identity })),
    ...trainers(storeRoot, runName).map((identity) => ({ kind: 'trainer' as const, identity })),
  ];
  const alive = await Promise.all(
    ownProcesses.map(async ({ kind, identity }) =>
      (await isSameProcessAlive(identity))
        ? [{ kind, pid: identity.pid, kill: () => killProcess(identity) }]
        : [],
    ),
  );
  return [...supervised, ...alive.flat()];
}

function modelServers(storeRoot: string): ProcessIdentity[] {
  const folder = join(storeRoot, '.machines', hostname(), 'servers');
  return existsSync(folder)
    ? openRegistry(folder)
        .list()
        .map((entry) => entry.process)
    : [];
}

function trainers(storeRoot: string, runName: string): ProcessIdentity[] {
  return globSync(join(storeRoot, runName, 'iteration-*', 'training', 'lease.json')).flatMap((file) => {
    try {
      return [leaseSchema.parse(JSON.parse(readFileSync(file, 'utf8')))];
    } catch {
      // The trainer has ended since.
      return [];
    }
  });
}

async function killProcess(identity: ProcessIdentity): Promise<void> {
  process.kill(identity.pid, 'SIGKILL');
  while (await isSameProcessAlive(identity)) await sleep(2);
}
