import assert from 'node:assert/strict';
import { cp, glob } from 'node:fs/promises';
import { join } from 'node:path';
import { startRun } from '../../src/client/index.ts';
import { compareRuns } from '../../tools/chaos/compare-runs.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { startFaultyProxy, type FaultyProxy } from '../support/faulty-proxy.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { scriptedAnswers, stageStarted, tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { useBucket } from '../support/use-bucket.ts';

const QUEUE = 'with-bucket';

describe('a run whose store is a bucket', function () {
  this.timeout(600_000);
  const bucket = useBucket();
  let proxy: FaultyProxy;
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  let address: string;
  before(async () => {
    proxy = await startFaultyProxy(bucket.server.environment['AWS_ENDPOINT_URL_S3'] ?? '');
    endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
    address = bucket.newAddress();
    cluster = await startCluster(undefined, {
      ...bucket.server.environment,
      AWS_ENDPOINT_URL_S3: proxy.url,
    });
    cluster.startWorker('--store', address, '--task-queue', QUEUE);
    cluster.startWorker();
  });
  after(async () => {
    await cluster?.close();
    await endpoint?.close();
    await proxy?.close();
  });

  const configuration = (name: string) =>
    tinyConfiguration(name, endpoint.baseUrl, { budget: { requests: 100_000 } });
  const sent = () => endpoint.requests.filter(({ body }) => !isCanary(body)).length;

  it('waits while the bucket is full, says so, and continues by itself', async () => {
    const isFull = Promise.withResolvers<void>();
    endpoint.script((request) => ({
      ...(scriptedAnswers(request) as { kind: 'answer' }),
      // Not those of the evaluation, which a run with a budget waits for before it judges.
      heldUntil: isJudgeRequest(request.body) && request.body.n !== undefined ? isFull.promise : undefined,
    }));
    const run = await startRun(cluster.client, configuration('in-bucket'), { taskQueue: QUEUE });
    await waitForProgress(run, stageStarted('judgePairs', 1));
    const body =
      '<?xml version="1.0"?><Error><Code>XMinioStorageFull</Code><Message>Storage is full.</Message></Error>';
    proxy.breaks(({ method }) => (method === 'PUT' ? { kind: 'answer', status: 507, body } : undefined));
    isFull.resolve();
    await waitForProgress(run, ({ waits = [] }) =>
      waits.some(({ reason }) => reason.includes(`${address}: the server is full. Free some space`)),
    );
    proxy.breaks(() => undefined);
    const { iterations } = await run.result();
    assert.equal(iterations.length, 2);
  });

  it('counts what it used to the request', async () => {
    const { budget } = await startRun(cluster.client, configuration('in-bucket'), { taskQueue: QUEUE }).then(
      async (run) => {
        await run.result();
        return run.progress();
      },
    );
    assert.equal(budget?.usage.requests, sent());
  });

  it('makes the same data and the same weights as in a folder', async () => {
    await (await startRun(cluster.client, configuration('in-folder'))).result();
    const objects = join(bucket.server.folder, address.replace('s3://', ''), 'in-bucket');
    await cp(objects, join(cluster.storeRoot, 'in-bucket'), { recursive: true });
    const { differences, lost, artifacts } = compareRuns(cluster.storeRoot, 'in-folder', 'in-bucket');
    assert.deepEqual(differences, []);
    assert.equal(lost, 0);
    assert(artifacts > 10);
  });

  it('chooses the same checkpoint of a training as in a folder, whose weights are then the only ones', async () => {
    const choosing = (name: string) => {
      const { fineTuning, ...tiny } = configuration(name);
      const [round] = fineTuning?.rounds ?? [];
      assert(round !== undefined);
      return {
        ...tiny,
        serving: {
          kind: 'endpoint' as const,
          baseUrl: endpoint.baseUrl,
          servedModelName: '{checkpoint}',
        },
        fineTuning: {
          ...fineTuning,
          rounds: [
            {
              ...round,
              selectCheckpoint: { everySteps: 1 },
              hyperparameters: { ...round.hyperparameters, maxSteps: 3 },
            },
          ],
        },
      };
    };
    const inBucket = await startRun(cluster.client, choosing('chosen-in-bucket'), { taskQueue: QUEUE });
    const [, judge] = (await inBucket.result()).iterations;
    const [, other] = (await (await startRun(cluster.client, choosing('chosen-in-folder'))).result())
      .iterations;
    assert.equal(judge?.training?.checkpoints?.length, 3);
    assert.deepEqual(judge.training.checkpoints, other?.training?.checkpoints);
    assert.equal(judge.model.sha256, other?.model.sha256);
    const folder = join(bucket.server.folder, address.replace('s3://', ''), 'chosen-in-bucket/iteration-1');
    assert.deepEqual(await Array.fromAsync(glob('**/model.safetensors', { cwd: folder })), [
      'training/model/model.safetensors',
    ]);
  });
});
