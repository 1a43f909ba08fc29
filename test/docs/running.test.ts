import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ensureTemporalCli } from '../../scripts/setup/temporal-cli.ts';
import { findRun, type JudgeEvaluationResult, type RunProgress } from '../../src/client.ts';
import { packageRoot, startCluster, type Cluster } from '../workflows/cluster.ts';
import { fencedBlocks } from './fenced-blocks.ts';

/** The document as a story: each of its commands as it stands there, in their order, on the embedded example. */
describe('the commands of docs/running.md', function () {
  this.timeout(300_000);
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

  /** Runs the block that begins so, in the folder of the package; gives what it prints. */
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
    for (const deadline = Date.now() + 120_000; ;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
      await sleep(250);
    }
  }

  const progress = (): Promise<RunProgress> => findRun(cluster.client, 'embedded').progress();
  const judging = () =>
    until('the run judges', async () => {
      const now = await progress().catch(() => undefined);
      return now?.stages.some(({ name }) => name === 'generatePairs') === true ? now : undefined;
    });

  it('start a run once', async () => {
    const [first, again] = [await run('temporal workflow start'), await run('temporal workflow start')];
    const runId = (printed: string) => /RunId\s+(\S+)/.exec(printed)?.[1];
    assert(runId(first) !== undefined, first);
    assert.equal(runId(again), runId(first));
  });

  it('say where it is, with which configuration, and find it among the others', async () => {
    await judging();
    const shown = await run('temporal workflow query --workflow-id embedded --type progress');
    assert.match(shown, /"phase":"working"/);
    assert.match(shown, /\*\*embedded\*\*: working, iteration 0 of 3/);
    assert.match(
      await run('temporal workflow query --workflow-id embedded --type configuration'),
      /"maximumSetAsideShare":0.05/,
    );
    await until('the run is listed', async () =>
      (await run('temporal workflow list --query "EvaluatorPhase')).includes('embedded') ? true : undefined,
    );
  });

  it('pause it, let it go on, and change how long it goes on', async () => {
    await run('temporal workflow update execute --workflow-id embedded --name pause');
    const { paused, iterations, stopAfter } = await progress();
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

  it('wait for its result, and find it by its figures', async () => {
    assert.match(await run('temporal workflow result'), /COMPLETED/);
    assert.equal((await progress()).completed.length, 2);
    await until('the run is listed', async () =>
      (await run('temporal workflow list --query "EvaluatorIteration')).includes('embedded')
        ? true
        : undefined,
    );
  });

  it('evaluate its newest judge on a schedule', async () => {
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
    await run('temporal schedule toggle');
  });

  it('are all tried here', () => {
    assert.deepEqual(
      blocks.filter(({ line }) => !tried.has(line)).map(({ text }) => text),
      [],
    );
  });
});
