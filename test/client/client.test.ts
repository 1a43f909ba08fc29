import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';
import {
  InvalidConfiguration,
  failureMessage,
  findEvaluation,
  findRun,
  RunConflict,
  RunEnded,
  RunNotFound,
  startEvaluation,
  startRun,
  type ConfigurationInput,
  type JudgeEvaluationConfigurationInput,
  type RunProgress,
} from '../../src/client/index.ts';
import { startDevServer, type DevServer, type DevServerPorts } from '../../src/cli/temporal/dev-server.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

/** A broken client would wait for longer: for the answer of a worker, or for the end of the run. */
const AT_ONCE_MS = 20_000;

const NOBODY = 'http://127.0.0.1:9/v1';

/** Starts a run in a process of its own, and prints the id of its workflow's first run. */
const START = `
import { Client, Connection } from '@temporalio/client';
import { startRun } from './src/client/index.ts';

const [address, configuration] = process.argv.slice(1);
const connection = await Connection.connect({ address });
const client = new Client({ connection });
const { workflowId } = await startRun(client, JSON.parse(configuration));
console.log((await client.workflow.getHandle(workflowId).describe()).runId);
await connection.close();
`;

describe('the client', function () {
  this.timeout(180_000);
  let folder: string;
  let ports: DevServerPorts;
  let server: DevServer;
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  /** How many requests the judge answers before `released`. */
  let answers = Infinity;
  let released = Promise.withResolvers<void>();

  const startServer = () => startDevServer({ ports, databaseFile: join(folder, 'temporal.db') });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'server-'));
    ports = await freeServerPorts();
    server = await startServer();
    cluster = await startCluster(() =>
      Promise.resolve({ address: server.address, stop: () => server.stop() }),
    );
    endpoint = await startScriptedEndpoint({
      script: ({ body }) => ({
        kind: 'answer',
        texts: ['I prefer [[A]].'],
        finishReason: 'stop',
        heldUntil: isCanary(body) || (answers -= 1) >= 0 ? undefined : released.promise,
      }),
    });
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await rm(folder, { recursive: true, force: true });
  });

  const evaluation = (
    runName: string,
    changes: Partial<JudgeEvaluationConfigurationInput> = {},
  ): JudgeEvaluationConfigurationInput => ({
    runName,
    serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'some-judge' },
    evaluation: {
      benchmarks: [{ name: 'pairs', format: 'pairs', path: 'embedded/benchmark/validation.jsonl' }],
      shardSize: 20,
    },
    inference: { concurrentRequestsPerShard: 4, concurrentShards: 1 },
    timeouts: { heartbeatSeconds: 5 },
    ...changes,
  });

  const thrownBy = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => assert.fail('nothing was thrown'),
      (error: unknown) => error,
    );

  describe('starting', () => {
    it('refuses a configuration with the path of every wrong field, before it calls the server', async () => {
      const { evaluation: _evaluation, ...wrong } = tinyConfiguration('wrong', NOBODY, {
        iterations: 0,
        judging: { smaples: 3 } as ConfigurationInput['judging'],
      });
      const error = await thrownBy(startRun(cluster.client, wrong as ConfigurationInput));
      assert(error instanceof InvalidConfiguration);
      const paths = error.problems.map(({ path }) => path);
      assert.deepEqual(paths.sort(), ['evaluation', 'iterations', 'judging.smaples']);
      for (const path of paths) assert(error.message.includes(`\n  ${path}: `));
      await assert.rejects(findRun(cluster.client, 'wrong').progress(), RunNotFound);
    });

    it('starts one run if several processes start it at the same time', async () => {
      const configuration = JSON.stringify(tinyConfiguration('once', NOBODY));
      const starts = Array.from({ length: 3 }, () =>
        promisify(execFile)(
          process.execPath,
          ['--input-type=module', '--eval', START, cluster.address, configuration],
          { cwd: packageRoot },
        ),
      );
      const runIds = (await Promise.all(starts)).map(({ stdout }) => stdout.trim());
      assert.match(runIds[0] ?? '', /^[0-9a-f-]{36}$/);
      assert.equal(new Set(runIds).size, 1);
    });

    it('attaches to an open run with the same meaning, and names the differences of another one', async () => {
      const configuration = tinyConfiguration('shared', NOBODY);
      await startRun(cluster.client, configuration);
      await startRun(cluster.client, { ...configuration, inference: { concurrentShards: 2 }, seed: 42 });
      const changed = {
        ...configuration,
        seed: 7,
        judging: { ...configuration.judging, samples: 2 },
        rerunFrom: '1/judgePairs',
      };
      const error = await thrownBy(startRun(cluster.client, changed));
      assert(error instanceof RunConflict);
      assert.deepEqual(error.fields, ['judging.samples', 'rerunFrom', 'seed']);
      assert.match(
        error.message,
        /"shared" is taken by .*judging\.samples is 4 in that run and 2 in this one.*seed is 42 in that run and 7 in this one/,
      );
    });

    it('returns the configuration of a run that was started with the Temporal CLI', async () => {
      const input = JSON.stringify(tinyConfiguration('by-hand', NOBODY));
      await cluster.cli(
        ...['workflow', 'start', '--type', 'selfTaughtEvaluator', '--workflow-id', 'by-hand'],
        ...['--task-queue', cluster.taskQueue, '--input', input],
      );
      await startRun(cluster.client, tinyConfiguration('by-hand', NOBODY));
      const other = tinyConfiguration('by-hand', NOBODY, { iterations: 2 });
      await assert.rejects(startRun(cluster.client, other), /iterations is 1 in that run and 2 in this one/);
      await assert.rejects(
        startEvaluation(cluster.client, evaluation('by-hand')),
        /"by-hand" is taken by a workflow of the type selfTaughtEvaluator/,
      );
    });
  });

  it('fails at once with RunNotFound in every method if there is no such run', async () => {
    const run = findRun(cluster.client, 'nobody');
    const asked = [
      () => run.progress(),
      () => run.configuration(),
      () => run.result(),
      () => run.follow().next(),
      () => run.pause(),
      () => run.resume(),
      () => run.setIterations(3),
      () => run.stopAfterIteration(),
      () => run.cancel(),
    ];
    for (const ask of asked) {
      const began = performance.now();
      const error = await thrownBy(ask());
      assert(error instanceof RunNotFound, `${String(ask)}: ${String(error)}`);
      assert.match(
        error.message,
        new RegExp(`no run "nobody" in the namespace default of ${cluster.address}`),
      );
      assert(performance.now() - began < AT_ONCE_MS);
    }
  });

  it('follows an evaluation to its end, although worker and server are gone for a while', async () => {
    // One shard of 40 requests is done, and the next one is under way.
    answers = 60;
    const worker = cluster.startWorker('--roles', 'workflow,inference');
    const started = await startEvaluation(cluster.client, evaluation('followed'));
    const seen: RunProgress[] = [];
    const following = (async () => {
      for await (const progress of findEvaluation(cluster.client, 'followed').follow()) seen.push(progress);
    })();
    const resulting = started.result();
    const done = () => seen.at(-1)?.stages[0]?.done ?? 0;
    const untilMore = async (than: number) => {
      while (done() <= than) await sleep(50);
    };
    await untilMore(0);
    await worker.kill();
    await sleep(1500);
    answers = 60;
    cluster.startWorker('--roles', 'workflow,inference');
    await untilMore(done());
    await server.stop();
    await sleep(1500);
    const before = seen.length;
    server = await startServer();
    released.resolve();
    await following;
    assert(seen.length > before, 'nothing was seen after the outage');
    assert.equal(seen.at(-1)?.status, 'completed');
    const texts = seen.map((progress) => JSON.stringify(progress));
    texts.forEach((text, index) => assert.notEqual(text, texts[index - 1], 'the same was told twice'));

    const result = await resulting;
    assert.equal(result.evaluations[0]?.pairs, 120);
    const stored = await readFile(join(cluster.storeRoot, 'followed/result.json'), 'utf8');
    assert.deepEqual(JSON.parse(stored), result);
  });

  it('returns an ended run’s result at once, refuses to pause it, and gets the result again when it is started again', async () => {
    const ended = findEvaluation(cluster.client, 'followed');
    const seen = await Array.fromAsync(ended.follow());
    assert.deepEqual(
      seen.map(({ status }) => status),
      ['completed'],
    );
    await ended.cancel();
    await assert.rejects(findRun(cluster.client, 'followed').pause(), RunEnded);
    await assert.rejects(
      findRun(cluster.client, 'followed').result(),
      /followed has a result of another kind/,
    );
    const asked = endpoint.requests.filter(({ body }) => !isCanary(body)).length;
    const again = await startEvaluation(cluster.client, evaluation('followed'));
    assert.deepEqual((await again.result()).evaluations, (await ended.result()).evaluations);
    assert.equal(endpoint.requests.filter(({ body }) => !isCanary(body)).length, asked);
  });

  it('stops following a run that fails, is terminated, or never had a worker', async () => {
    const failing = await startEvaluation(
      cluster.client,
      evaluation('failing', {
        model: { checkpoint: 'x' },
        serving: { kind: 'endpoint', baseUrl: NOBODY, servedModelName: 'x' },
      }),
    );
    await Array.fromAsync(failing.follow());
    assert.match(failureMessage(await thrownBy(failing.result())), /serving: .*127\.0\.0\.1:9/);

    const options = { taskQueue: 'nobody-works-here' };
    const waiting = await startEvaluation(cluster.client, evaluation('waiting'), options);
    const following = Array.fromAsync(waiting.follow());
    await cluster.client.workflow.getHandle('waiting').terminate();
    assert.deepEqual(await following, []);
  });

  it('ends with the status that the server knows if no worker answers any more', async () => {
    const options = { taskQueue: 'left' };
    const worker = cluster.startWorker('--roles', 'workflow,inference', '--task-queue', 'left');
    answers = 20;
    released = Promise.withResolvers();
    const left = await startEvaluation(cluster.client, evaluation('left'), options);
    const seen: RunProgress[] = [];
    for await (const progress of left.follow()) {
      seen.push(progress);
      if (seen.length > 1) continue;
      await worker.kill();
      await cluster.client.workflow.getHandle('left').terminate();
    }
    const [first] = seen;
    assert.equal(first?.status === 'planning' || first?.status === 'running', true);
    assert.deepEqual(seen, [first, { ...first, status: 'cancelled' }]);
  });

  it('stops waiting when its signal aborts, and the run continues', async () => {
    const options = { taskQueue: 'nobody-works-here' };
    const evaluating = await startEvaluation(cluster.client, evaluation('going-on'), options);
    for (const wait of [
      (signal: AbortSignal) => evaluating.result({ signal }),
      (signal: AbortSignal) => evaluating.follow({ signal }).next(),
    ]) {
      const began = performance.now();
      const error = await thrownBy(wait(AbortSignal.timeout(300)));
      assert(error instanceof DOMException && error.name === 'TimeoutError', String(error));
      assert(performance.now() - began < AT_ONCE_MS);
    }
    const { status } = await cluster.client.workflow.getHandle('going-on').describe();
    assert.equal(status.name, 'RUNNING');
  });

  it('reads the result of a run that the server has forgotten from the store', async () => {
    const { storeRoot, client } = cluster;
    const expected = await findEvaluation(client, 'followed').result();
    await cp(join(storeRoot, 'followed'), join(storeRoot, 'forgotten'), { recursive: true });
    const forgotten = findEvaluation(client, 'forgotten');
    await assert.rejects(forgotten.result(), /no run "forgotten".*result\.json stays in the store/);
    assert.deepEqual(await forgotten.result({ storeRoot }), expected);
    await assert.rejects(findEvaluation(client, 'never').result({ storeRoot }), RunNotFound);
  });
});
