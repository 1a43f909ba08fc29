import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ensureTemporalCli } from '../../src/cli/setup/temporal-cli.ts';
import { findRun, type JudgeEvaluationResult, type RunProgress } from '../../src/client/index.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { stageStarted } from '../support/tiny-run.ts';
import { fencedBlocks } from './fenced-blocks.ts';

/** Runs all commands of the document unchanged, in their order, on the embedded example. */
describe('the commands of docs/running.md', function () {
  this.timeout(900_000);
  const blocks = fencedBlocks(join(packageRoot, 'docs/running.md')).filter(
    ({ language }) => language === 'sh',
  );
  const tried = new Set<number>();
  let cluster: Cluster;
  let path: string;

  before(async () => {
    cluster = await startCluster();
    cluster.startWorker();
    path = `${dirname(await ensureTemporalCli())}${delimiter}${process.env['PATH'] ?? ''}`;
  });

  after(() => cluster.close());

  /** Runs the block with this beginning in the folder of the package, and returns its output. */
  async function run(beginning: string): Promise<string> {
    const block = blocks.find(({ text }) => text.startsWith(beginning));
    assert(block !== undefined, `no block begins with ${beginning}`);
    tried.add(block.line);
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', block.text], {
      cwd: packageRoot,
      env: { ...process.env, PATH: path, TEMPORAL_ADDRESS: cluster.address },
    });
    return stdout;
  }

  async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (const deadline = Date.now() + 800_000; ;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`timed out waiting until ${what}`);
      await sleep(250);
    }
  }

  const progress = (): Promise<RunProgress> => findRun(cluster.client, 'embedded').progress();
  const judging = () =>
    until('the run judges', async () => {
      const now = await progress().catch(() => undefined);
      return now !== undefined && stageStarted('generatePairs', 0)(now) ? now : undefined;
    });

  it('start a run, but not a second time while it is running', async () => {
    const [first, again] = [await run('temporal workflow start'), await run('temporal workflow start')];
    const runId = (printed: string) => /RunId\s+(\S+)/.exec(printed)?.[1];
    assert(runId(first) !== undefined, first);
    assert.equal(runId(again), runId(first));
  });

  it('show the progress and configuration of a run, and list it with the others', async () => {
    await judging();
    const shown = await run('temporal workflow query --workflow-id embedded --type progress');
    assert.match(shown, /"status":"running"/);
    assert.match(shown, /\*\*embedded\*\*: running, iteration \d of 3/);
    assert.match(
      await run('temporal workflow query --workflow-id embedded --type configuration'),
      /"maxSkippedShare":0.05/,
    );
    await until('the run is listed', async () =>
      (await run('temporal workflow list --query "EvaluatorStatus')).includes('embedded') ? true : undefined,
    );
  });

  it('pause and resume a run, and change its number of iterations', async () => {
    await run('temporal workflow update execute --workflow-id embedded --name pause');
    const { paused, requestedIterations: iterations, stopAfter } = await progress();
    assert.deepEqual({ paused, iterations, stopAfter }, { paused: undefined, iterations: 5, stopAfter: 1 });
    await run('temporal workflow update execute --workflow-id embedded --name setBudget');
    assert.deepEqual((await progress()).budget?.limits, { tokens: 80_000_000 });
  });

  it('cancel a run', async () => {
    const handle = await cluster.client.workflow.start('selfTaughtEvaluator', {
      taskQueue: 'nobody-listens-here',
      workflowId: 'a-run-that-is-not-wanted',
    });
    await run('temporal workflow cancel');
    const { raw } = await handle.describe();
    assert.equal(raw.workflowExtendedInfo?.cancelRequested, true);
  });

  it('wait for the result of a run, and find the run by its figures', async () => {
    assert.match(await run('temporal workflow result'), /COMPLETED/);
    assert.equal((await progress()).completedIterations.length, 2);
    await until('the run is listed', async () =>
      (await run('temporal workflow list --query "EvaluatorIteration')).includes('embedded')
        ? true
        : undefined,
    );
  });

  it('evaluate the latest judge of a run on a schedule', async () => {
    await run('temporal schedule create');
    const workflowId = await until('the evaluation has started', async () => {
      for await (const execution of cluster.client.workflow.list())
        if (execution.workflowId.startsWith('nightly-evaluation')) return execution.workflowId;
      return undefined;
    });
    const result = (await cluster.client.workflow.getHandle(workflowId).result()) as JudgeEvaluationResult;
    assert.match(result.runName, /^nightly-\d{4}-\d\d-\d\d$/);
    assert.equal(result.model.checkpoint, 'store:embedded/iteration-1/training/model');
    assert(existsSync(join(cluster.storeRoot, result.report)));
    assert.equal(result.drift?.status, 'not-compared');
    assert(!(await run('temporal workflow list --query "EvaluatorDrift')).includes('nightly'));
    await run('temporal schedule toggle');
  });

  it('are all covered by these tests', () => {
    assert.deepEqual(
      blocks.filter(({ line }) => !tried.has(line)).map(({ text }) => text),
      [],
    );
  });
});
