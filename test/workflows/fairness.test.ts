import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { Client, WorkflowNotFoundError, Connection } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import { startDevServer, type DevServer } from '../../src/cli/temporal/dev-server.ts';
import { CHILD_WORKFLOW_TYPES, WORKFLOW_TYPES } from '../../src/api/temporal-names.ts';
import type { ShardResult } from '../../src/api/activity-types.ts';
import { readPendingActivities } from '../../src/temporal/pending-activities.ts';
import type { mapShards } from '../../src/workflows/map-shards.ts';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';
// Workers in this process log problems only.
import '../support/local-server.ts';
import { workflowBundle } from './workflow-bundle.ts';

const LARGE = 200;
const SMALL = 24;
/** An evaluation that begins with its checks. */
const CHECKED = 'checked';

describe('runs that share the workers of a queue', function () {
  this.timeout(300_000);
  let folder: string;
  let server: DevServer;
  let client: Client;
  let connection: NativeConnection;
  let taskQueue: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fairness-'));
    const databaseFile = join(folder, 'temporal.db');
    server = await startDevServer({ ports: await freeServerPorts(), databaseFile });
    const { address } = server;
    client = new Client({ connection: await Connection.connect({ address }) });
    connection = await NativeConnection.connect({ address });
  });
  after(async () => {
    await connection.close();
    await client.connection.close();
    await server.stop();
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    taskQueue = `fair-${Math.random()}`;
    // It gets the reports of the stages, and no worker works on it.
    await client.workflow.start('owner', { workflowId: taskQueue, taskQueue: 'none' });
  });
  function start(workflowId: string, shards: number, fairnessKey?: string) {
    const artifact = { uri: 'test/pairs', sha256: '0', bytes: 1, records: shards };
    const model = { checkpoint: 'm', sha256: '0', baseUrl: 'http://127.0.0.1:9/v1', servedModelName: 'm' };
    return client.workflow.start<typeof mapShards>(CHILD_WORKFLOW_TYPES.shards, {
      workflowId,
      taskQueue,
      ...(fairnessKey === undefined ? {} : { priority: { fairnessKey } }),
      args: [
        {
          stage: 'judgePairs',
          shardInput: {
            run: { runName: workflowId, configuration: artifact },
            ...{ iteration: 1, model, input: artifact },
          },
          concurrentShards: shards,
          timeouts: { heartbeatSeconds: 60, workerWaitSeconds: 300, fineTuneHours: 1 },
          runWorkflowId: taskQueue,
        },
      ],
    });
  }

  const startChecked = (fairnessKey = '') =>
    client.workflow.start(WORKFLOW_TYPES.evaluation, {
      workflowId: CHECKED,
      taskQueue,
      priority: { fairnessKey },
      args: [
        {
          runName: CHECKED,
          serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedModelName: 'm' },
          evaluation: { benchmarks: [{ name: 'pairs', format: 'pairs', path: 'pairs.jsonl' }] },
        },
      ],
    });

  const pendingOn = async (queue: string, workflowId: string) =>
    (await readPendingActivities(client, workflowId)).activities.filter((each) => each.taskQueue === queue)
      .length;

  /** Starts the runs one after the other, then a worker that does one shard at a time, and returns whose shards it does. */
  async function orderOf(
    runs: readonly { id: string; shards: number; fairnessKey?: string }[],
  ): Promise<string[]> {
    const workflows = await Worker.create({
      connection,
      taskQueue,
      workflowBundle: await workflowBundle(),
      activities: {
        completeStage: () => Promise.resolve({}),
        checkJudgeEvaluation: (usable: unknown) =>
          Promise.resolve({ usable, needsMachine: false, storeProbe: 'probe', problems: [] }),
      },
    });
    const planning = workflows.run();
    for (const { id, shards, fairnessKey } of runs) {
      await (id === CHECKED ? startChecked(fairnessKey) : start(id, shards, fairnessKey));
      while ((await pendingOn(`${taskQueue}-inference`, id)) < shards) await sleep(50);
    }
    const order: string[] = [];
    const shards = runs.reduce((sum, run) => sum + run.shards, 0);
    const inference = await Worker.create({
      connection,
      taskQueue: `${taskQueue}-inference`,
      maxConcurrentActivityTaskExecutions: 8,
      activities: {
        judgePairs(): Promise<Partial<ShardResult>> {
          order.push(Context.current().info.workflowExecution?.workflowId ?? '');
          return Promise.resolve({ counts: {} });
        },
        preflightInference(): Promise<never> {
          order.push(CHECKED);
          return Promise.reject(ApplicationFailure.nonRetryable('not for this test'));
        },
      },
    });
    const judging = inference.run();
    while (order.length < shards) await sleep(50);
    for (const worker of [workflows, inference]) worker.shutdown();
    await Promise.all([planning, judging]);
    for (const { id } of runs) {
      if (id === CHECKED) continue;
      await client.workflow
        .getHandle(id)
        .terminate()
        .catch((error: unknown) => {
          // It has ended by itself.
          if (!(error instanceof WorkflowNotFoundError)) throw error;
        });
    }
    return order;
  }

  /**
   * The place in the order at which a third of a run's shards were done. Others may come late: each partition of the server's queue
   * deals out its own shards in turn, but the partitions are not polled in turn.
   */
  function thirdOf(order: readonly string[], id: string): number {
    const places = order.flatMap((each, place) => (each === id ? [place] : []));
    return places[Math.floor(places.length / 3)]!;
  }

  it('get them in turn: a small one does not wait for the shards of a large one that came before', async () => {
    const order = await orderOf([
      { id: 'large', shards: LARGE },
      { id: 'small', shards: SMALL },
    ]);
    const third = thirdOf(order, 'small');
    assert(
      third < LARGE / 2,
      `a third of the shards of the small run was done at ${third} of ${order.length}`,
    );
  });

  it('count as one if they were started with the same fairness key', async () => {
    const order = await orderOf([
      { id: 'large-of-a-team', shards: LARGE, fairnessKey: 'team' },
      { id: 'small-of-a-team', shards: SMALL, fairnessKey: 'team' },
      { id: 'of-another-team', shards: SMALL },
    ]);
    const [other = 0, small = 0] = ['of-another-team', 'small-of-a-team'].map((id) => thirdOf(order, id));
    assert(other < LARGE / 2 && small > LARGE / 2, `${other}, ${small}`);
  });

  it('may have ids that are longer than a fairness key', async () => {
    const id = `größe-${'x'.repeat(200)}`;
    assert.deepEqual(await orderOf([{ id, shards: 1 }]), [id]);
  });

  it('are checked at their start before any shards, also those of the same fairness key', async () => {
    const order = await orderOf([
      { id: 'large-of-all', shards: LARGE, fairnessKey: 'all' },
      { id: CHECKED, shards: 1, fairnessKey: 'all' },
    ]);
    assert(order.indexOf(CHECKED) < LARGE / 2, `${order.indexOf(CHECKED)}`);
  });
});
