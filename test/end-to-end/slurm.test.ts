import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
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
import { waitForProgress } from '../support/tiny-run.ts';

const failingTrainer = join(packageRoot, 'test/models/training/failing_trainer.py');
/** Each training on Slurm is held after this step, until the test releases it. */
const HELD_STEP = 5;
const SAVE_STEPS = 2;

describe('the embedded example with trainings on Slurm', function () {
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

  it('runs with trainings as processes', async () => {
    const worker = cluster.startWorker();
    const run = await start('undisturbed');
    undisturbed = await run.result();
    await worker.stop();
  });

  it('makes the same training sets and models though it loses a node, the controller and its worker', async () => {
    const worker = cluster.startWorker();
    const command = ['{python}', failingTrainer, 'hold', String(HELD_STEP), '--job', '{job}'];
    const run = await start('disturbed', { launcher: { kind: 'slurm', command } });

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
    assert.deepEqual(await trainingSets('disturbed'), await trainingSets('undisturbed'));
    assert.deepEqual(
      iterations.map(({ model }) => model.sha256),
      undisturbed.iterations.map(({ model }) => model.sha256),
    );
  });

  /** Starts the example with fewer instructions and iterations, and checkpoints before {@link HELD_STEP}. */
  async function start(runName: string, changes: object = {}): Promise<Run> {
    const file = join(packageRoot, 'temporal/inputs/embedded.json');
    const example = JSON.parse(await readFile(file, 'utf8')) as Required<ConfigurationInput>;
    const { rounds: [round] = [], ...fineTuning } = example.fineTuning!;
    const hyperparameters = { ...round!.hyperparameters, saveSteps: SAVE_STEPS };
    const configuration = {
      ...{ ...example, runName, iterations: 2, timeouts: { heartbeatSeconds: 5 } },
      instructions: { ...example.instructions, categories: null, maxInstructions: 240, shardSize: 30 },
      fineTuning: { ...fineTuning, ...changes, rounds: [{ ...round, hyperparameters }] },
    };
    return startRun(cluster.client, configuration as ConfigurationInput);
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

  async function trainingSets(runName: string) {
    const { objects } = openStore(cluster.storeRoot);
    return Promise.all(
      [1, 2].map(async (iteration) => {
        const manifest = await readManifest(objects, runUris.trainingSet(runName, iteration));
        return manifest!.sha256;
      }),
    );
  }
});
