/**
 * The released Temporal server without Web UI, for tests that need a newer server than that of the pinned CLI, or several servers
 * on one database.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { freePorts } from '../../src/platform/ports.ts';
import { isTemporalReachable } from '../../src/cli/temporal/dev-server.ts';

const HOST = '127.0.0.1';

/** The services of one server by port: gRPC (`http` beside the frontend's) and membership. */
const SERVICES = ['frontend', 'matching', 'history', 'worker'] as const;

/** A database of a Temporal server: its data store by the name of the database. */
export interface TemporalDatabase {
  /** The number of history shards, which is fixed when a database is created. */
  readonly historyShards: number;
  store(name: 'temporal' | 'visibility'): object;
}

/** A database in the memory of one server. */
const IN_MEMORY: TemporalDatabase = {
  historyShards: 1,
  store: () => ({
    sql: {
      pluginName: 'sqlite',
      databaseName: 'default',
      connectAddr: 'localhost',
      connectProtocol: 'tcp',
      connectAttributes: { mode: 'memory', cache: 'private' },
      maxConns: 1,
      maxIdleConns: 1,
      maxConnLifetime: '1h',
    },
  }),
};

/** Starts the server program with its files in the folder, and waits until it answers. */
export async function startReleasedServer(program: string, folder: string, database = IN_MEMORY) {
  const server = await startServerProcess(program, folder, database);
  await registerNamespace(server.address);
  return server;
}

/** Starts a server, which joins those that use the same database. */
export async function startServerProcess(program: string, folder: string, database: TemporalDatabase) {
  const configFile = join(folder, 'server.yaml');
  const dynamicFile = join(folder, 'dynamic.yaml');
  const [http, ...rpc] = (await freePorts(1 + 2 * SERVICES.length)) as [number, ...number[]];
  const address = `${HOST}:${rpc[0]}`;
  // JSON is valid YAML.
  await writeFile(configFile, JSON.stringify(configuration(http, rpc, dynamicFile, database)));
  await writeFile(dynamicFile, '{}');
  const logFile = join(folder, 'server.log');
  const log = openSync(logFile, 'w');
  const child = spawn(program, ['--config-file', configFile, '--allow-no-auth', 'start'], {
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  const deadline = Date.now() + 60_000;
  while (!(await isTemporalReachable(address))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${program} did not start:\n${readFileSync(logFile, 'utf8').slice(-2000)}`);
    }
    await sleep(100);
  }
  return { address, stop };
}

export async function registerNamespace(address: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({
      namespace: 'default',
      workflowExecutionRetentionPeriod: msToTs('1 day'),
    });
    // A new namespace is usable after a short delay.
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        await connection.workflowService.listWorkflowExecutions({ namespace: 'default' });
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(200);
      }
    }
  } finally {
    await connection.close();
  }
}

function configuration(
  http: number,
  ports: readonly number[],
  dynamicConfig: string,
  database: TemporalDatabase,
): object {
  const services = SERVICES.map((name, index) => [
    name,
    {
      rpc: {
        grpcPort: ports[2 * index],
        membershipPort: ports[2 * index + 1],
        bindOnLocalHost: true,
        ...(name === 'frontend' ? { httpPort: http } : {}),
      },
    },
  ]);
  return {
    log: { stdout: true, level: 'warn' },
    persistence: {
      defaultStore: 'default',
      visibilityStore: 'visibility',
      numHistoryShards: database.historyShards,
      datastores: { default: database.store('temporal'), visibility: database.store('visibility') },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: HOST } },
    services: Object.fromEntries(services) as object,
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: {
          enabled: true,
          initialFailoverVersion: 1,
          rpcName: 'frontend',
          rpcAddress: `${HOST}:${ports[0]}`,
          httpAddress: `${HOST}:${http}`,
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: dynamicConfig, pollInterval: '10s' },
  };
}
