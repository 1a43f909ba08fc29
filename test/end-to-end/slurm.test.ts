import assert from 'node:assert/strict';
import { glob, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun, type ConfigurationInput, type Run, type RunResult } from '../../src/client/index.ts';
import { leaseSchema, resultSchema } from '../../src/models/training/job.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { readJsonIfExists } from '../../src/platform/read-json.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { readManifest } from '../../src/store/manifest.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { readPendingActivities } from '../../src/temporal/pending-activities.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { startSlurm, whyNoSlurm, type SlurmCluster, type SlurmNode } from '../support/slurm.ts';
import { stageStarted, waitForProgress } from '../support/tiny-run.ts';

const failingTrainer = join(packageRoot, 'test/models/training/failing_trainer.py');
/** Each training on Slurm is held after this step, until the test releases it. */
const HELD_STEP = 5;
const SAVE_STEPS = 2;

describe('the embedded example on Slurm', function () {
  this.timeout(900_000);
  let slurm: SlurmCluster;
  let cluster: Cluster;
  let undisturbed: RunResult;

  before(async function () {
    const reason = whyNoSlurm();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    slurm = await startSlurm();
    cluster = await startCluster(undefined, slurm.environment);
  });
  after(async () => {
    await cluster?.close();
    await slurm?.close();
  });

  it('runs with trainings and servers as processes', async () => {
    const worker = cluster.startWorker();
    const run = await start('undisturbed', 2);
    undisturbed = await run.result();
    await worker.stop();
  });

  it('makes the same training sets and models though it loses a node, the controller and its worker', async () => {
    const worker = cluster.startWorker();
    const command = ['{python}', failingTrainer, 'hold', String(HELD_STEP), '--job', '{job}'];
    const run = await start('disturbed', 2, (example) => ({
      fineTuning: { ...example.fineTuning, launcher: { kind: 'slurm', command } },
    }));

    await held(1, 1);
    const node = await nodeOf(1);
    await slurm.killNode(node);
    await held(1, 2);
    assert.notEqual(await nodeOf(1), node);
    await slurm.startNode(node);

    await slurm.killController();
    await release(1);
    await waitForProgress(run, ({ waits = [] }) =>
      waits.some(
        ({ stage, iteration, reason }) =>
          stage === 'fineTune' && iteration === 2 && /Unable to contact slurm controller/.test(reason),
      ),
    );
    await slurm.startController();

    await held(2, 1);
    await worker.kill();
    cluster.startWorker();
    await takenOver('fineTune');
    await release(2);

    const { iterations } = await run.result();
    assert.deepEqual(await trainings('disturbed'), [
      { starts: 2, resumedFromSteps: [HELD_STEP - 1] },
      { starts: 1, resumedFromSteps: [] },
    ]);
    for (const iteration of [1, 2])
      assert.equal(await trainingSet('disturbed', iteration), await trainingSet('undisturbed', iteration));
    assert.deepEqual(
      iterations.map(({ model }) => model.sha256),
      undisturbed.iterations.map(({ model }) => model.sha256),
    );
  });

  it('makes the same with its models served on Slurm though the node of the server is lost', async () => {
    const run = await start('served', 1, ({ serving }) => ({ serving: { ...serving, kind: 'slurm' } }));
    await waitForProgress(run, stageStarted('judgePairs', 1));
    const node = (await slurm.run('squeue', '-h', '-o', '%N')) as SlurmNode;
    await slurm.killNode(node);
    const { iterations } = await run.result();
    assert.equal(iterations[1]!.model.sha256, undisturbed.iterations[1]!.model.sha256);
    assert.equal(await trainingSet('served', 1), await trainingSet('undisturbed', 1));
    const logs = join(cluster.storeRoot, '.machines', hostname(), 'servers', '*.log');
    const log = await Promise.all((await Array.fromAsync(glob(logs))).map((file) => readFile(file, 'utf8')));
    const jobs = new Set(log.join('').match(/^Slurm job \d+ runs on n\d$/gm));
    assert(jobs.size > 1, [...jobs].join());
    await slurm.startNode(node);
  });

  type Example = Required<ConfigurationInput>;

  /** Starts the example with fewer instructions, and checkpoints before {@link HELD_STEP}. */
  async function start(
    runName: string,
    iterations: number,
    changed: (example: Example) => object = () => ({}),
  ): Promise<Run> {
    const file = join(packageRoot, 'temporal/inputs/embedded.json');
    const example = JSON.parse(await readFile(file, 'utf8')) as Example;
    const [round] = example.fineTuning!.rounds!;
    const hyperparameters = { ...round!.hyperparameters, saveSteps: SAVE_STEPS };
    const smaller = {
      ...{ ...example, runName, iterations, timeouts: { heartbeatSeconds: 5 } },
      instructions: { ...example.instructions, categories: null, maxInstructions: 240, shardSize: 30 },
      fineTuning: { ...example.fineTuning, rounds: [{ ...round, hyperparameters }] },
    } as Example;
    return startRun(cluster.client, { ...smaller, ...changed(smaller) });
  }

  function trainingFolder(runName: string, iteration: number): string {
    return join(cluster.storeRoot, runUris.training(runName, iteration));
  }

  /** Waits until so many starts of the training have been held. */
  async function held(iteration: number, starts: number): Promise<void> {
    const file = join(trainingFolder('disturbed', iteration), 'holds');
    while ((await readFile(file, 'utf8').catch(() => '')).split('\n').length <= starts) await sleep(50);
  }

  async function release(iteration: number): Promise<void> {
    await writeFile(join(trainingFolder('disturbed', iteration), 'released'), '');
  }

  async function nodeOf(iteration: number): Promise<SlurmNode> {
    const lease = await readJsonIfExists(
      join(trainingFolder('disturbed', iteration), 'lease.json'),
      leaseSchema,
    );
    return lease!.host as SlurmNode;
  }

  /** Waits until a second attempt of the activity runs. */
  async function takenOver(type: string): Promise<void> {
    for (;;) {
      const { activities } = await readPendingActivities(cluster.client, 'disturbed');
      const isSecond = (each: (typeof activities)[number]) =>
        each.type === type && each.attempt > 1 && each.state === 'started';
      if (activities.some(isSecond)) return;
      await sleep(50);
    }
  }

  async function trainings(runName: string) {
    return Promise.all(
      [1, 2].map(async (iteration) => {
        const folder = trainingFolder(runName, iteration);
        const starts = (await readdir(join(folder, 'starts'))).filter((name) => name.endsWith('.json'));
        const result = await readJsonIfExists(join(folder, 'result.json'), resultSchema);
        return { starts: starts.length, resumedFromSteps: result?.resumedFromSteps };
      }),
    );
  }

  async function trainingSet(runName: string, iteration: number): Promise<string> {
    const { objects } = openStore(cluster.storeRoot);
    const manifest = await readManifest(objects, runUris.trainingSet(runName, iteration));
    return manifest!.sha256;
  }
});
