/** Shows what a worker answers by HTTP: to whom, with which headers, and what it tells. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun } from '../../src/client/index.ts';
import { freePorts } from '../../src/platform/ports.ts';
import { type Cluster, startCluster, type WorkerProcess } from '../support/cluster.ts';
import { listeners } from '../support/listeners.ts';
import { holdAnswers } from '../support/held-answers.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { send } from '../support/send-request.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

const SECRETS = { JUDGE_KEY: 'sk-secret-of-the-judge', HF_TOKEN: 'hf_secret_of_the_hub' };

describe('the HTTP surfaces of a worker', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let holding: ScriptedEndpoint;
  let worker: WorkerProcess;
  let health: number;
  let metrics: number;

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    [health, metrics] = (await freePorts(2)) as [number, number];
    endpoint = await startScriptedEndpoint();
    holding = await startScriptedEndpoint();
    cluster = await startCluster(undefined, SECRETS);
    worker = cluster.startWorker(
      ...['--health-address', String(health), '--metrics-address', String(metrics)],
      ...['--shutdown-grace-seconds', '60'],
    );
    for (;;) {
      const answer = await send(`http://127.0.0.1:${health}/readyz`).catch(() => undefined);
      if (answer?.status === 200) break;
      assert.equal(worker.child.exitCode, null, worker.log());
      await sleep(50);
    }
  });
  after(async () => {
    await cluster?.close();
    await endpoint?.close();
    await holding?.close();
  });

  it('listen on loopback if only a port is given, and nothing else of the worker listens', () => {
    assert.deepEqual(
      listeners(worker.child.pid).sort((one, other) => one.port - other.port),
      [health, metrics].sort((one, other) => one - other).map((port) => ({ port, isLoopback: true })),
    );
  });

  it('let no page of another origin read them', async () => {
    for (const [port, path] of [
      [health, '/healthz'],
      [health, '/readyz'],
      [health, '/other'],
      [metrics, '/metrics'],
    ]) {
      for (const method of ['GET', 'OPTIONS', 'POST']) {
        const headers = { origin: 'http://page.example', 'access-control-request-method': 'GET' };
        const answer = await send(`http://127.0.0.1:${port}${path}`, { method, headers });
        assert.deepEqual(
          Object.keys(answer.headers).filter((name) => name.startsWith('access-control-')),
          [],
        );
        if (port !== health) continue;
        const { 'content-type': type, 'cache-control': cache } = answer.headers;
        assert.deepEqual([type, cache], ['application/json', 'no-store']);
        assert.equal(answer.headers['x-content-type-options'], 'nosniff');
        assert.equal(answer.headers['cross-origin-resource-policy'], 'same-origin');
      }
    }
    const { headers } = await send(`http://127.0.0.1:${metrics}/metrics`);
    assert.match(headers['content-type'] ?? '', /^text\/plain/);
  });

  it('tell no key of the worker and no words of a run', async () => {
    const run = await startRun(cluster.client, tinyConfiguration('surfaces', endpoint.baseUrl));
    let text = '';
    const tells = /self_taught_evaluator_model_request/;
    while (!tells.test(text)) {
      assert.equal(worker.child.exitCode, null, worker.log());
      await sleep(100);
      text = (await send(`http://127.0.0.1:${metrics}/metrics`)).text;
    }
    const ready = await send(`http://127.0.0.1:${health}/readyz`);
    const words = endpoint.requests.flatMap(({ body }) => body.messages.map(({ content }) => content));
    for (const secret of [...Object.values(SECRETS), ...words])
      assert(!(text + ready.text).includes(secret), secret);
    await run.cancel();
  });

  it('explain what is wrong to nobody who asks under another name', async () => {
    // A request that is not answered keeps the worker running for the grace period. The endpoint is another one, because the cancelled
    // run may still ask the first, and gives up its requests at any time.
    const held = holdAnswers(holding);
    await startRun(cluster.client, tinyConfiguration('stops', holding.baseUrl));
    await held.asked;
    const stopped = worker.stop();
    const asked = async (host: string) => {
      const answer = await send(`http://127.0.0.1:${health}/readyz`, { headers: { host } });
      return [answer.status, Object.keys(JSON.parse(answer.text) as object)];
    };
    for (;;) if ((await asked('127.0.0.1'))[0] === 503) break;
    const own = [`127.0.0.1:${health}`, 'localhost', `[::1]:${health}`, hostname(), '10.1.2.3:80'];
    for (const host of own) assert.deepEqual(await asked(host), [503, ['ready', 'problems']], host);
    for (const host of ['page.example', `127.0.0.1.page.example:${health}`])
      assert.deepEqual(await asked(host), [503, ['ready']], host);
    held.answer();
    await stopped;
  });
});
