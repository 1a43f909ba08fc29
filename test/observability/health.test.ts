import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DevServer } from '../../src/cli/temporal/dev-server.ts';
import { freePorts } from '../../src/platform/ports.ts';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';
import { holdAnswers } from '../support/held-answers.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { startRun } from '../../src/client/index.ts';
import { type Cluster, startCluster, type WorkerProcess } from '../support/cluster.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

interface Answer {
  readonly status: number;
  readonly body: { readonly ready?: boolean; readonly problems?: readonly string[] };
}

describe('the health of a worker', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let server: DevServer;
  let address: string;

  before(async () => {
    address = `127.0.0.1:${(await freePorts(1))[0]}`;
    endpoint = await startScriptedEndpoint();
    cluster = await startCluster(async (folder) => {
      const { startDevServer } = await import('../../src/cli/temporal/dev-server.ts');
      const ports = await freeServerPorts();
      server = await startDevServer({ ports, databaseFile: `${folder}/temporal.db` });
      return { address: `127.0.0.1:${ports.grpc}`, stop: () => server.stop() };
    });
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  async function ask(path: string): Promise<Answer | undefined> {
    try {
      const response = await fetch(`http://${address}${path}`);
      return { status: response.status, body: (await response.json()) as Answer['body'] };
    } catch {
      return undefined; // nobody listens
    }
  }

  async function until(worker: WorkerProcess, status: number): Promise<Answer> {
    for (;;) {
      const answer = await ask('/readyz');
      if (answer?.status === status) return answer;
      assert.equal(worker.child.exitCode, null, worker.log());
      await sleep(20);
    }
  }

  it('is ready only between its start and its stop, and alive all the time', async () => {
    // A worker is starting until Temporal answers.
    const { pid = assert.fail('no process id') } = server;
    process.kill(pid, 'SIGSTOP');
    const worker = cluster.startWorker('--health-address', address, '--shutdown-grace-seconds', '60');
    try {
      const starting = await until(worker, 503);
      assert.deepEqual(starting.body, { ready: false, problems: ['the worker is starting'] });
      assert.equal((await ask('/healthz'))?.status, 200);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const ready = await until(worker, 200);
    assert.deepEqual(ready.body, { ready: true, problems: [] });

    // A request that is not answered keeps its activity, and so the worker, running for the grace period.
    const { asked, answer } = holdAnswers(endpoint);
    await startRun(cluster.client, {
      ...tinyConfiguration('stops', endpoint.baseUrl),
      timeouts: { heartbeatSeconds: 5 },
    });
    await asked;
    const stopped = worker.stop();
    const stopping = await until(worker, 503);
    assert.deepEqual(stopping.body.problems, ['the worker is stopping']);
    assert.equal((await ask('/healthz'))?.status, 200);
    answer();
    await stopped;
    assert.equal(await ask('/healthz'), undefined);
  });

  it('reports that Temporal does not answer', async () => {
    const worker = cluster.startWorker('--health-address', address);
    await until(worker, 200);
    await server.stop();
    const { body } = await until(worker, 503);
    assert.match(body.problems?.join() ?? '', /^Temporal doesn't answer: /);
    assert.equal((await ask('/healthz'))?.status, 200);
    await worker.kill();
  });
});
