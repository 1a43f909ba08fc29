import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRun } from '../../src/client/index.ts';
import type { RunResult } from '../../src/api/result.ts';
import { filesWith } from '../support/files-with.ts';
import { startPushableHub, type PushableHub } from '../support/pushable-hub.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';

const token = 'hf_secret_of_a_whole_run';

describe('a run with outputs to push', function () {
  this.timeout(240_000);
  let hub: PushableHub;
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  before(async () => {
    hub = await startPushableHub({ token });
    endpoint = await startScriptedEndpoint();
    // The seed judge comes to no verdict in its evaluation, so that the trained one is better.
    endpoint.script((request) =>
      request.body.model === 'judge-0' && (request.body.n ?? 1) === 1 && isJudgeRequest(request.body)
        ? { kind: 'answer', texts: ['both are fine'], finishReason: 'stop' }
        : scriptedAnswers(request),
    );
    Object.assign(process.env, { HF_ENDPOINT: hub.url, TEST_HUB_TOKEN: token });
    cluster = await startCluster();
    cluster.startWorker();
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
    await hub.close();
    delete process.env['HF_ENDPOINT'];
    delete process.env['TEST_HUB_TOKEN'];
  });

  const configuration = (repository: string, tokenEnv = 'TEST_HUB_TOKEN') =>
    tinyConfiguration('published', endpoint.baseUrl, {
      publish: { model: `${repository}/judge`, dataset: `${repository}/judgments`, tokenEnv },
    });
  const resultFile = async () =>
    JSON.parse(await readFile(join(cluster.storeRoot, 'published', 'result.json'), 'utf8')) as RunResult;

  it('is rejected before any work if its outputs could not be pushed, with all problems', async () => {
    const run = await startRun(cluster.client, configuration('nobody'));
    await assert.rejects(run.result(), (error: Error) => {
      const message = String((error.cause as Error).message);
      assert.match(message, /publish\.dataset: dataset nobody\/judgments: this repository doesn't exist/);
      assert.match(message, /publish\.model: model nobody\/judge: this repository doesn't exist/);
      return true;
    });
    const unset = await startRun(cluster.client, configuration('nobody', 'NO_SUCH_TOKEN'));
    await assert.rejects(unset.result(), (error: Error) => {
      assert.match(String((error.cause as Error).message), /publish\.tokenEnv: NO_SUCH_TOKEN is not set/);
      return true;
    });
  });

  it('has its result, with a warning, if the hub rejects the push', async () => {
    hub.failNext(/\/commit\//, 403, Infinity);
    const result = await (await startRun(cluster.client, configuration('someone'))).result();
    assert.equal(result.best, 1);
    assert.equal(result.published?.kind, 'failed');
    assert.match(
      result.warnings.at(-1) ?? '',
      /^Not pushed to the hub: dataset someone\/judgments: .* answered 403/,
    );
    assert.deepEqual(await resultFile(), result);
  });

  it('is pushed from the existing outputs when it is started again, after a short outage of the hub', async () => {
    hub.failNext(/\/commit\//, 503, 2);
    const asked = endpoint.requests.length;
    const result = await (await startRun(cluster.client, configuration('someone'))).result();
    assert.deepEqual(
      result.published?.kind === 'pushed' && result.published.repositories.map(({ name }) => name),
      ['someone/judgments', 'someone/judge'],
    );
    assert.deepEqual(await resultFile(), result);
    assert(
      endpoint.requests.slice(asked).every(({ body }) => isCanary(body)),
      'nothing is judged again',
    );
    const outputs = join(cluster.storeRoot, 'published', 'outputs');
    const model = hub.files('model', 'someone/judge') ?? {};
    assert.deepEqual(Object.keys(model).sort(), (await readdir(join(outputs, 'model'))).sort());
    for (const [name, bytes] of Object.entries(model))
      assert(bytes.equals(await readFile(join(outputs, 'model', name))), name);
    const data = hub.files('dataset', 'someone/judgments') ?? {};
    assert.deepEqual(Object.keys(data).sort(), ['README.md', 'iteration-1/train.parquet']);
    for (const [name, bytes] of Object.entries(data))
      assert(bytes.equals(await readFile(join(outputs, 'datasets', name))), name);
  });

  it('writes its token nowhere', async () => {
    assert(filesWith(cluster.storeRoot, 'PAR1').some((path) => path.endsWith('/train.parquet')));
    assert.deepEqual(filesWith(cluster.storeRoot, token), []);
    const history = await cluster.cli('workflow', 'show', '--workflow-id', 'published', '--output', 'json');
    const payloads = [...history.matchAll(/"data": "([^"]+)"/g)].map(([, data = '']) =>
      Buffer.from(data, 'base64').toString(),
    );
    const text = [history, ...payloads].join('\n');
    assert(text.includes('TEST_HUB_TOKEN') && !text.includes(token));
  });
});
