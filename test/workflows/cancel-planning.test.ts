import assert from 'node:assert/strict';
import { startRun } from '../../src/client/index.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';

describe('a run that is cancelled while its endpoints are checked', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    cluster = await startCluster();
    cluster.startWorker();
    endpoint = await startScriptedEndpoint();
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  it('is cancelled, and does not fail for a check that was interrupted', async () => {
    const checked = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    endpoint.script((request) => {
      checked.resolve();
      return { ...scriptedAnswers(request), heldUntil: ended.promise };
    });
    const run = await startRun(cluster.client, tinyConfiguration('early', endpoint.baseUrl));
    await checked.promise;
    await run.cancel();
    const handle = cluster.client.workflow.getHandle('early');
    await assert.rejects(handle.result());
    ended.resolve();
    assert.equal((await handle.describe()).status.name, 'CANCELLED');
  });
});
