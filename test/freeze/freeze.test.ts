import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { scriptedAnswers } from '../support/tiny-run.ts';
import { makeFrozenRuns, unpackStore } from './frozen-run.ts';
import { FREEZE_FOLDER, frozenFingerprints, frozenNames } from './frozen-values.ts';

async function recorded(file: string): Promise<unknown> {
  return JSON.parse(await readFile(join(FREEZE_FOLDER, file), 'utf8'));
}

/** A change on purpose is recorded by `npm run freeze`, with a line in CHANGELOG.md. */
describe('what stored runs depend on', function () {
  this.timeout(300_000);

  it('names workflows, activities, messages, failures, stages and statuses as before', async () => {
    assert.deepEqual(frozenNames(), await recorded('names.json'));
  });

  it('gives every stage of the ready configurations the same fingerprint as before', async () => {
    assert.deepEqual(await frozenFingerprints(), await recorded('fingerprints.json'));
  });

  describe('a store of an earlier version', () => {
    let cluster: Cluster;
    let endpoint: ScriptedEndpoint;

    before(async () => {
      endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
      cluster = await startCluster();
      await mkdir(cluster.storeRoot, { recursive: true });
      unpackStore(cluster.storeRoot);
      cluster.startWorker();
    });

    after(async () => {
      await cluster.close();
      await endpoint.close();
    });

    it('is reused by the same runs: the same results, and no request but the check of the endpoint', async () => {
      const results = await makeFrozenRuns(cluster.client, endpoint.baseUrl);
      assert.deepEqual(results, await recorded('results.json'));
      const sent = endpoint.requests.filter(({ body }) => !isCanary(body));
      assert.deepEqual(sent, []);
    });
  });
});
