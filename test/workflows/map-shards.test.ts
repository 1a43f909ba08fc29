import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { createInferenceActivities, createWorkflowActivities } from '../../src/activities/index.ts';
import { CHILD_WORKFLOW_TYPES, SIGNALS } from '../../src/api/temporal-names.ts';
import type { mapShards } from '../../src/workflows/map-shards.ts';
import { startLocalServer } from '../support/local-server.ts';
import { repeatedRequests } from '../support/scripted-run.ts';
import { startTestRun, type TestRun } from '../support/test-run.ts';
import { workflowBundle } from './workflow-bundle.ts';

const TASK_QUEUE = 'shards';
const SHARDS = 12;
/** Pairs in a shard, each with a request for each order. */
const SHARD_SIZE = 3;
const REQUESTS_OF_SHARD = 2 * SHARD_SIZE;
const PLACES = 2;

/** The workflow of a stage with real activities, which hand over through the given client. */
describe('the workflow of a stage', function () {
  this.timeout(120_000);
  let environment: TestWorkflowEnvironment;
  let testRun: TestRun;
  let isHeld: (request: number) => boolean;
  let release: () => void;

  before(async () => {
    // So few that a stage continues as new several times.
    environment = await startLocalServer(60);
  });
  after(() => environment.teardown());
  beforeEach(async () => {
    testRun = await startTestRun({
      judging: { samples: 1 },
      inference: { concurrentShards: 1, concurrentRequestsPerShard: PLACES },
    });
    isHeld = () => false;
    const held = new Promise<void>((resolve) => (release = resolve));
    testRun.endpoint.script(({ index }) => ({
      kind: 'answer',
      texts: ['[[A]]'],
      heldUntil: isHeld(index) ? held : undefined,
    }));
  });
  afterEach(() => testRun.close());

  async function withStage<T>(
    temporal: Client,
    use: (stage: Awaited<ReturnType<typeof start>>) => Promise<T>,
  ): Promise<T> {
    const deps = { ...testRun.deps, temporal };
    const shared = { connection: environment.nativeConnection };
    const workers = await Promise.all([
      Worker.create({
        ...shared,
        taskQueue: TASK_QUEUE,
        workflowBundle: await workflowBundle(),
        activities: createWorkflowActivities(deps),
      }),
      Worker.create({
        ...shared,
        taskQueue: `${TASK_QUEUE}-inference`,
        activities: createInferenceActivities(deps),
      }),
    ]);
    const running = workers.map((worker) => worker.run());
    try {
      return await use(await start());
    } finally {
      release();
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
    }
  }

  async function start() {
    const { run, model } = testRun;
    const pairs = Array.from({ length: SHARDS * SHARD_SIZE }, (_, index) => ({
      id: `pair-${String(index).padStart(2, '0')}`,
      instruction: `Question ${index}?`,
      better: `better ${index}`,
      worse: `worse ${index}`,
    }));
    const input = await testRun.publish('test/pairs', pairs, SHARD_SIZE);
    // So long that no attempt is replaced, whose requests would be sent again.
    const timeouts = { heartbeatSeconds: 60, workerWaitSeconds: 60, fineTuneHours: 1 };
    // It gets the reports of the stage, and no worker works on it.
    const owner = await environment.client.workflow.start('owner', {
      workflowId: `owner-${Math.random()}`,
      taskQueue: 'none',
    });
    return environment.client.workflow.start<typeof mapShards>(CHILD_WORKFLOW_TYPES.shards, {
      workflowId: `stage-${Math.random()}`,
      taskQueue: TASK_QUEUE,
      args: [
        {
          stage: 'judgePairs',
          shardInput: { run, iteration: 1, model, input },
          concurrentShards: 1,
          timeouts,
          runWorkflowId: owner.workflowId,
        },
      ],
    });
  }

  const requests = () => testRun.endpoint.requests;
  const until = async (count: number) => {
    while (requests().length < count) await sleep(20);
  };
  const atRest = async () => {
    for (let before = -1; requests().length !== before; await sleep(1000)) before = requests().length;
  };

  it('continues as new between shards that hand over, and asks for nothing twice', async () => {
    await withStage(environment.client, async (stage) => {
      const { counts } = await stage.result();
      assert.equal(counts['judgments'], SHARDS * REQUESTS_OF_SHARD);
      const { events } = await environment.client.workflow.getHandle(stage.workflowId).fetchHistory();
      const { continuedExecutionRunId: before } = events![0]!.workflowExecutionStartedEventAttributes!;
      assert(before, 'it has one execution');
    });
    assert.equal(requests().length, SHARDS * REQUESTS_OF_SHARD);
    assert.equal(repeatedRequests(requests()), 0);
    assert.equal(testRun.endpoint.mostInFlight(), PLACES);
  });

  it('begins the next shard when the one before has ended if no worker can tell it earlier', async () => {
    isHeld = (request) => request === 0;
    const lost = new Client({ connection: environment.connection, namespace: 'none' });
    await withStage(lost, async (stage) => {
      await until(REQUESTS_OF_SHARD);
      await atRest();
      assert.equal(requests().length, REQUESTS_OF_SHARD);
      release();
      await stage.result();
    });
    assert.equal(requests().length, SHARDS * REQUESTS_OF_SHARD);
    assert.equal(testRun.endpoint.mostInFlight(), PLACES);
  });

  it('ignores signals that name no shard that runs', async () => {
    isHeld = (request) => request < PLACES;
    await withStage(environment.client, async (stage) => {
      await until(PLACES);
      for (const message of [{ shard: 7 }, { shard: 'x' }, null, undefined])
        await stage.signal(SIGNALS.shardHandedOver, message);
      // The places are taken, so that no request shows a shard that has begun.
      await stage.signal(SIGNALS.shardHandedOver, { shard: 0 });
      await stage.signal(SIGNALS.shardHandedOver, { shard: 0 });
      let pending: readonly unknown[] = [];
      while (pending.length < 2) {
        const { raw } = await stage.describe();
        pending = raw.pendingActivities ?? [];
        await sleep(20);
      }
      assert.equal(pending.length, 2);
      release();
      await stage.result();
    });
    assert.equal(requests().length, SHARDS * REQUESTS_OF_SHARD);
  });
});
