import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Evaluation, startEvaluation } from '../../src/client/index.ts';
import { moduleFile, packageRoot } from '../../src/platform/package-root.ts';
import type { Manifest } from '../../src/store/artifact.ts';
import { localServerEnvironment } from '../../src/temporal/settings.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import {
  createNetwork,
  type Machine,
  type MachineProcess,
  type Network,
  whyNoMachines,
} from '../support/machines.ts';

const server = fileURLToPath(import.meta.resolve('../support/scripted-server.ts'));
/** So many that each worker takes some of them, whichever the server asks first. */
const SHARDS = 60;
const CONCURRENT_SHARDS = 4;
/** Half of all requests: more than the shards that may be under way at once have, so that at least one is done. */
const ANSWERED = 240 / 2;

interface MachineWorker {
  readonly machine: Machine;
  readonly process: MachineProcess;
  log(): string;
}

/** Two machines that serve models and ask them, b and c, and one that only asks them, a. */
describe('a model that a machine serves', function () {
  this.timeout(400_000);
  let folder: string;
  let network: Network;
  let cluster: Cluster;
  let temporalAddress: string;
  let machines: Record<'a' | 'b' | 'c', Machine>;
  const workers: MachineWorker[] = [];

  before(async function () {
    const problem = whyNoMachines();
    if (problem !== undefined) {
      console.warn(`      skipped: ${problem}`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'served-'));
    network = await createNetwork();
    cluster = await startCluster();
    temporalAddress = await network.forward(Number(new URL(`http://${cluster.address}`).port));
    const [a, b, c] = await Promise.all([
      network.startMachine('a'),
      network.startMachine('b'),
      network.startMachine('c'),
    ]);
    machines = { a, b, c };
  });
  after(async () => {
    await network?.close();
    await cluster?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  function startWorker(machine: Machine, roles: string, ...options: string[]): MachineWorker {
    const logFile = join(folder, `${machine.name}-${workers.length}.log`);
    const log = openSync(logFile, 'a');
    const started = machine.spawn(
      [
        ...[process.execPath, moduleFile('cli/main'), 'worker', '--roles', roles],
        ...['--store', cluster.storeRoot, '--on-shutdown', 'stop', '--shutdown-grace-seconds', '1'],
        ...['--log-format', 'text', ...options],
      ],
      {
        cwd: packageRoot,
        stdio: ['ignore', log, log],
        env: {
          ...localServerEnvironment(temporalAddress, process.env),
          SELF_TAUGHT_EVALUATOR_POLICY: 'open',
        },
      },
    );
    closeSync(log);
    const worker = { machine, process: started, log: () => readFileSync(logFile, 'utf8') };
    workers.push(worker);
    return worker;
  }

  async function stopWorker({ process: started }: MachineWorker): Promise<void> {
    const exited = once(started.child, 'exit');
    started.signal('SIGTERM');
    await exited;
  }

  /** A server answers a part of the requests, and holds the others until the file exists. */
  const gateFile = (runName: string) => join(folder, `${runName}-gate`);
  /** @param heartbeatSeconds by default long enough that no attempt is replaced */
  const evaluate = (runName: string, heartbeatSeconds = 60) =>
    startEvaluation(cluster.client, {
      runName,
      model: { checkpoint: 'embedded/model' },
      serving: {
        kind: 'command',
        command: [
          ...[process.execPath, server, '--host', '{host}', '--port', '{port}'],
          ...['--gate', gateFile(runName), '--answers', String(ANSWERED)],
        ],
        servedModelName: 'judge',
        healthPath: '/v1/models',
        startTimeoutSeconds: 60,
      },
      evaluation: {
        benchmarks: [{ name: 'test', format: 'reward-bench', path: 'embedded/benchmark/validation.jsonl' }],
        shardSize: 120 / SHARDS,
      },
      inference: { concurrentShards: CONCURRENT_SHARDS, concurrentRequestsPerShard: 2 },
      timeouts: { heartbeatSeconds, workerWaitSeconds: 10 },
    });

  /** Fails with the logs of the workers when the run has failed. */
  async function until(run: Evaluation, look: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await look())) {
      const progress = await run.progress().catch(() => undefined);
      assert.notEqual(progress?.status, 'failed', workers.map((worker) => worker.log()).join('\n'));
      await sleep(200);
    }
  }

  const servedOn = async (workflowId: string): Promise<string> => {
    const started = (await activities(workflowId)).findLast(({ type }) => type === 'serveModel');
    return started?.host ?? '';
  };

  /** The activities of a workflow and its children that have ended: where, and in which attempt. */
  async function activities(
    workflowId: string,
  ): Promise<{ type: string; host: string; attempt: number; failure: string }[]> {
    const { events } = await cluster.client.workflow.getHandle(workflowId).fetchHistory();
    const found = [];
    for (const event of events ?? []) {
      const child = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution?.workflowId;
      if (child) found.push(...(await activities(child)));
      const started = event.activityTaskStartedEventAttributes;
      if (!started) continue;
      const scheduled = events?.[Number(started.scheduledEventId) - 1]?.activityTaskScheduledEventAttributes;
      found.push({
        type: scheduled?.activityType?.name ?? '',
        host: (started.identity ?? '').split('@')[1] ?? '',
        attempt: started.attempt ?? 0,
        failure: started.lastFailure?.message ?? '',
      });
    }
    return found;
  }

  /** The queues on which models were to be served, in their order. */
  async function serveQueues(workflowId: string): Promise<string[]> {
    const { events } = await cluster.client.workflow.getHandle(workflowId).fetchHistory();
    return (events ?? [])
      .map(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled)
      .filter((scheduled) => scheduled?.activityType?.name === 'serveModel')
      .map((scheduled) => scheduled?.taskQueue?.name ?? '');
  }

  async function assertNothingFailed(workflowId: string): Promise<void> {
    const repeated = (await activities(workflowId)).filter(({ attempt }) => attempt > 1);
    assert.deepEqual(repeated, []);
  }

  const shardHosts = async (workflowId: string): Promise<string[]> => {
    const shards = (await activities(workflowId)).filter(({ type }) => type === 'evaluateBenchmark');
    return [...new Set(shards.map(({ host }) => host))].sort();
  };

  /** The hashes of all shards. */
  const judgments = (runName: string) =>
    Promise.all(
      Array.from({ length: SHARDS }, async (_, shard) => {
        const uri = `iteration-0/evaluation/test/shard-${String(shard).padStart(5, '0')}`;
        const text = await readFile(join(cluster.storeRoot, runName, uri, 'manifest.json'), 'utf8');
        return (JSON.parse(text) as Manifest).sha256;
      }),
    );

  it('is asked by its own machine alone without --serve-host, and the others say why they do not ask it', async () => {
    const a = startWorker(machines.a, 'workflow,inference');
    const serving = [startWorker(machines.b, 'inference,gpu'), startWorker(machines.c, 'inference,gpu')];
    const run = await evaluate('loopback');
    const reason =
      /M_0 of loopback is up on ([bc]-[\da-f]{8}) at 127\.0\.0\.1:\d+, not reachable from a-[\da-f]{8}: start \1's worker with --serve-host/;
    let shown = '';
    await until(run, async () => {
      shown = ((await run.progress().catch(() => undefined))?.waits ?? []).map((wait) => wait.reason).join();
      return reason.test(shown);
    });
    writeFileSync(gateFile('loopback'), '');
    await run.result();
    const on = await servedOn(run.workflowId);
    assert.match(a.log(), reason);
    assert.deepEqual(await shardHosts(run.workflowId), [on]);
    await assertNothingFailed(run.workflowId);
    await Promise.all(serving.map(stopWorker));
  });

  it('is asked by all machines with --serve-host, and is served by another machine when its own is gone', async () => {
    const [a] = workers;
    for (const machine of [machines.b, machines.c])
      startWorker(machine, 'inference,gpu', '--serve-host', machine.address ?? '');
    const open = await evaluate('open');
    await until(open, () => /takes shards of the models that [bc]-[\da-f]{8} serves/.test(a!.log()));
    writeFileSync(gateFile('open'), '');
    await open.result();
    assert.deepEqual(await judgments('open'), await judgments('loopback'));
    assert((await shardHosts(open.workflowId)).includes('a'));
    await assertNothingFailed(open.workflowId);

    const run = await evaluate('moved', 5);
    await until(run, async () => ((await run.progress().catch(() => undefined))?.stages[0]?.done ?? 0) > 0);
    const gone = await servedOn(run.workflowId);
    await (gone === 'b' ? machines.b : machines.c).kill();
    await until(run, async () => (await servedOn(run.workflowId)) !== gone);
    writeFileSync(gateFile('moved'), '');
    await run.result();
    assert.deepEqual(await judgments('moved'), await judgments('loopback'));
    const queues = await serveQueues(run.workflowId);
    assert(queues.length >= 2);
    assert.deepEqual(queues, [...new Set(queues)], 'the machine that is gone is waited for once only');
  });
});
