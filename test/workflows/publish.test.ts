import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRun } from '../../src/client.ts';
import type { RunResult } from '../../src/activities/types.ts';
import { startPushableHub, type PushableHub } from '../hub/pushable-hub.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../inference/scripted-endpoint.ts';
import { startCluster, type Cluster } from './cluster.ts';
import { isJudging } from './scripted-run.ts';
import { answers, tinyConfiguration } from './tiny-run.ts';

const token = 'hf_secret_of_a_whole_run';

describe('a run that is published', function () {
  this.timeout(240_000);
  let hub: PushableHub;
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  before(async () => {
    hub = await startPushableHub({ token });
    endpoint = await startScriptedEndpoint();
    // The seed judge comes to no verdict in its evaluation, so that the trained one is better.
    endpoint.script((request) =>
      request.body.model === 'judge-0' && (request.body.n ?? 1) === 1 && isJudging(request.body)
        ? { kind: 'answer', texts: ['both are fine'], finishReason: 'stop' }
        : answers(request),
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

  const configuration = (repository: string, tokenVariable = 'TEST_HUB_TOKEN') =>
    tinyConfiguration('published', endpoint.baseUrl, {
      publish: { model: `${repository}/judge`, dataset: `${repository}/judgments`, tokenVariable },
    });
  const resultFile = async () =>
    JSON.parse(await readFile(join(cluster.storeRoot, 'published', 'result.json'), 'utf8')) as RunResult;

  it('is refused before any work where it could not be pushed, with all that is wrong', async () => {
    const run = await startRun(cluster.client, configuration('nobody'));
    await assert.rejects(run.result(), (error: Error) => {
      const message = String((error.cause as Error).message);
      assert.match(message, /publish\.dataset: dataset nobody\/judgments: there is no such repository/);
      assert.match(message, /publish\.model: model nobody\/judge: there is no such repository/);
      return true;
    });
    const unset = await startRun(cluster.client, configuration('nobody', 'NO_SUCH_TOKEN'));
    await assert.rejects(unset.result(), (error: Error) => {
      assert.match(
        String((error.cause as Error).message),
        /publish\.tokenVariable: NO_SUCH_TOKEN is not set/,
      );
      return true;
    });
  });

  it('has its result and says so where the hub refuses the push', async () => {
    hub.failNext(/\/commit\//, 403, Infinity);
    const result = await (await startRun(cluster.client, configuration('someone'))).result();
    assert.equal(result.best, 1);
    assert.equal(result.published?.kind, 'failed');
    assert.match(
      result.warnings.at(-1) ?? '',
      /^Not pushed to the hub: dataset someone\/judgments: .* says 403/,
    );
    assert.deepEqual(await resultFile(), result);
  });

  it('is pushed when it is started again, from what is there, after a hub that was away for a moment', async () => {
    hub.failNext(/\/commit\//, 503, 2);
    const asked = endpoint.requests.length;
    const result = await (await startRun(cluster.client, configuration('someone'))).result();
    assert.deepEqual(
      result.published?.kind === 'pushed' && result.published.repositories.map(({ name }) => name),
      ['someone/judgments', 'someone/judge'],
    );
    assert.deepEqual(await resultFile(), result);
    assert(
      endpoint.requests.slice(asked).every(({ body }) => body.max_tokens === 1),
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

  it('holds its token nowhere', async () => {
    const files = await readdir(cluster.storeRoot, { recursive: true, withFileTypes: true });
    assert(files.some(({ name }) => name === 'train.parquet'));
    for (const file of files.filter((entry) => entry.isFile()))
      assert(!(await readFile(join(file.parentPath, file.name))).includes(token), file.name);
    const history = await cluster.cli('workflow', 'show', '--workflow-id', 'published', '--output', 'json');
    const payloads = [...history.matchAll(/"data": "([^"]+)"/g)].map(([, data = '']) =>
      Buffer.from(data, 'base64').toString(),
    );
    const text = [history, ...payloads].join('\n');
    assert(text.includes('TEST_HUB_TOKEN') && !text.includes(token));
  });
});
