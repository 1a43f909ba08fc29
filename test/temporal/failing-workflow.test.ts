import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { unansweredReason } from '../../src/temporal/missing-worker.ts';
import { readPendingActivities } from '../../src/temporal/pending-activities.ts';
import { listQueuePollers } from '../../src/temporal/pollers.ts';
import { startLocalServer } from '../support/local-server.ts';

const taskQueue = 'queue';

describe('a workflow that fails in its worker', function () {
  this.timeout(120_000);
  let server: TestWorkflowEnvironment;
  let worker: Worker;
  let running: Promise<void>;

  before(async () => {
    server = await startLocalServer();
    worker = await Worker.create({
      connection: server.nativeConnection,
      taskQueue,
      workflowsPath: join(import.meta.dirname, '..', 'support', 'failing-workflows.ts'),
    });
    running = worker.run();
    while ((await listQueuePollers(server.client, taskQueue, 'workflow')).length === 0) await sleep(100);
  });
  after(async () => {
    worker.shutdown();
    await running;
    await server.teardown();
  });

  const start = (type: string, workflowId: string) =>
    server.client.workflow.start(type, { workflowId, taskQueue });

  it('is named with what to do when the run does not answer', async () => {
    await start('selfTaughtEvaluator', 'run');
    let reason = '';
    while (!/fails/.test((reason = await unansweredReason(server.client, 'run')))) {
      assert.match(reason, /its workers are busy or have just stopped \(\d+@.*start one with/);
      await sleep(200);
    }
    assert.match(reason, /the workflow itself fails in its worker.*the worker's log has the reason/);
  });

  it('is seen as a failing part of its run if it is a child workflow', async () => {
    await start('evaluateJudge', 'evaluation');
    const failing = async () => (await readPendingActivities(server.client, 'evaluation')).activities;
    while ((await failing()).length === 0) await sleep(100);
    const [child] = await failing();
    assert.equal(child?.workflowId, 'evaluation/child');
    assert.match(child.failure ?? '', /the workflow itself fails/);
  });
});
