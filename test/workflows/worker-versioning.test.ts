import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findReleasedServer } from '../../tools/setup/released-server.ts';
import { ensureTemporalCli } from '../../src/cli/setup/temporal-cli.ts';
import { startRun } from '../../src/client/index.ts';
import { fencedBlocks } from '../docs/fenced-blocks.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster, type WorkerProcess } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { startReleasedServer } from '../support/released-server.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { scriptedAnswers, stageStarted, waitForProgress, tinyConfiguration } from '../support/tiny-run.ts';

/** As in docs/deploy.md. */
const DEPLOYMENT = 'judge-workers';
const OLD = '2026-11-24';
const NEW = '2026-12-01';
const documented = fencedBlocks(join(packageRoot, 'docs/deploy.md'))
  .filter(({ heading, language }) => heading === 'Upgrading workers' && language === 'sh')
  .flatMap(({ text }) => text.replaceAll(/\s*\\\n\s*/g, ' ').split('\n'))
  .filter((command) => command.startsWith('temporal '));
const setCurrent = (buildId: string) =>
  `temporal worker deployment set-current-version --deployment-name ${DEPLOYMENT} --build-id ${buildId}`;

describe('worker versioning', function () {
  this.timeout(400_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;

  before(async () => {
    endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
  });
  afterEach(() => cluster.close());
  after(() => endpoint.close());

  it('keeps a run on the build on which it began; the next run begins on the build that is current then', async () => {
    cluster = await startCluster();
    const old = startBuild(OLD);
    const command = await logged(
      old,
      /warn: no version of the deployment judge-workers is current.*"(temporal worker [^"]*)"/,
    );
    const [makeCurrent, moveTheRest] = documented as [string, string];
    assert.deepEqual([command, makeCurrent], [setCurrent(OLD), setCurrent(OLD)]);
    await execute(makeCurrent);
    const left = await startRun(cluster.client, tinyConfiguration('left', endpoint.baseUrl));
    await waitForProgress(left, ({ status }) => status === 'running');
    await left.pause({ reason: 'its workers go away' });
    const run = await startRun(cluster.client, tinyConfiguration('stays', endpoint.baseUrl));
    const new_ = startBuild(NEW);
    await logged(new_, /judge-workers\.2026-12-01 is not current, 2026-11-24 is/);
    await waitForProgress(run, stageStarted('judgePairs', 1));
    await execute(setCurrent(NEW));
    const next = await startRun(cluster.client, tinyConfiguration('next', endpoint.baseUrl));
    await waitForProgress(next, ({ status }) => status === 'running');
    // It may overtake the other one, and would then have ended before it is cancelled.
    await next.pause({ reason: 'its build is known' });
    await run.result();

    assert.deepEqual(await buildsOf('stays'), [[OLD]]);
    for (const stage of ['0/generatePairs', '0/evaluateJudge', '1/judgePairs', '1/evaluateJudge'])
      assert.deepEqual(await buildsOf(`stays/${stage}`), [[OLD]], stage);
    assert.deepEqual(await buildsOf('next'), [[NEW]]);
    await next.cancel();

    // The workers of the old build are gone for good: the document's last command moves what is left.
    await old.stop();
    await execute(moveTheRest);
    await left.resume();
    await left.result();
    assert.deepEqual((await buildsOf('left')).flat().at(-1), NEW);
  });

  it('moves a run to the current build when its next iteration begins (a server of 1.31)', async function () {
    const released = await findReleasedServer();
    cluster = await startCluster(
      released === undefined ? undefined : (folder) => startReleasedServer(released.server, folder),
    );
    if (!(await movesRuns())) {
      console.log(
        '      skipped: TEST_RELEASED_SERVER=1 builds a server for this test, in 5 minutes the first time',
      );
      this.skip();
    }
    const builds = { [OLD]: startBuild(OLD), [NEW]: startBuild(NEW) };
    await execute(setCurrent(OLD));
    const isCurrent = Promise.withResolvers<void>();
    endpoint.script((request) => ({
      ...(scriptedAnswers(request) as { kind: 'answer' }),
      heldUntil: isJudgeRequest(request.body) && request.body.n !== undefined ? isCurrent.promise : undefined,
    }));
    const run = await startRun(
      cluster.client,
      tinyConfiguration('moves', endpoint.baseUrl, { iterations: 2 }),
    );
    await waitForProgress(run, stageStarted('judgePairs', 1));
    await execute(setCurrent(NEW));
    isCurrent.resolve();
    const { iterations } = await run.result();

    assert.equal(iterations.length, 3);
    assert.deepEqual(await buildsOf('moves'), [[OLD], [NEW]]);
    for (const [iteration, build] of [
      [1, OLD],
      [2, NEW],
    ] as const) {
      for (const stage of ['judgePairs', 'evaluateJudge', 'evaluateJudge/validation'])
        assert.deepEqual(await buildsOf(`moves/${iteration}/${stage}`), [[build]], `${stage} ${iteration}`);
      // The activities of every role went along.
      const pids = await processesOf(`moves/${iteration}/judgePairs`);
      assert.deepEqual(pids, [builds[build].child.pid]);
    }
  });

  it('does not keep a worker from stopping at a signal that comes with its first line', async () => {
    cluster = await startCluster();
    const worker = startBuild(OLD);
    const { child } = worker;
    while (!worker.log().includes('worker with roles') && child.exitCode === null) await setImmediate();
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
    assert.equal(child.exitCode, 0, worker.log());
  });

  /** Returns whether the server is new enough: that of the pinned CLI is not, one on the PATH may be. */
  async function movesRuns(): Promise<boolean> {
    const { serverVersion } = await cluster.client.workflowService.getSystemInfo({});
    const [major = 0, minor = 0] = serverVersion.split('.').map(Number);
    return major > 1 || minor >= 31;
  }

  function startBuild(buildId: string): WorkerProcess {
    return cluster.startWorker('--deployment-name', DEPLOYMENT, '--build-id', buildId);
  }

  /** Waits until the worker has written it, and returns what the pattern's group has matched. */
  async function logged(worker: WorkerProcess, pattern: RegExp): Promise<string | undefined> {
    for (;;) {
      const found = pattern.exec(worker.log());
      if (found !== null) return found[1];
      assert.equal(worker.child.exitCode, null, worker.log());
      await sleep(100);
    }
  }

  /** Runs a command of the Temporal CLI. Until the server has seen the version's workers, it refuses this one. */
  async function execute(command: string): Promise<void> {
    const cli = await ensureTemporalCli();
    const script = `${command.replace('temporal', '"$0"')} --yes --address ${cluster.address}`;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await promisify(execFile)('bash', ['-c', script, cli]);
        return;
      } catch (error) {
        if (attempt === 600) throw error;
        await sleep(300);
      }
    }
  }

  /** The histories of a workflow that has continued as new, in order. The server may list executions late. */
  async function historiesOf(workflowId: string) {
    const histories = [];
    for (let runId: string | undefined; ;) {
      const { events } = await cluster.client.workflow.getHandle(workflowId, runId).fetchHistory();
      histories.unshift(events ?? []);
      runId = events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId || undefined;
      if (runId === undefined) return histories;
    }
  }

  /** The builds that processed the tasks of a workflow, for each history of its chain, in order. */
  async function buildsOf(workflowId: string): Promise<string[][]> {
    return (await historiesOf(workflowId)).map((events) => [
      ...new Set(
        events.flatMap(({ workflowTaskCompletedEventAttributes: completed }) =>
          completed ? [completed.deploymentVersion?.buildId ?? 'none'] : [],
        ),
      ),
    ]);
  }

  /** The processes that carried out a workflow's activities. */
  async function processesOf(workflowId: string): Promise<number[]> {
    const pids = (await historiesOf(workflowId))
      .flat()
      .flatMap(({ activityTaskStartedEventAttributes: started }) =>
        started?.identity ? [Number.parseInt(started.identity, 10)] : [],
      );
    return [...new Set(pids)];
  }
});
