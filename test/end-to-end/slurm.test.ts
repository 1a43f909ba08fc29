import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { RunResult } from '../../src/client/index.ts';
import { leaseSchema } from '../../src/models/training/job.ts';
import { readJsonIfExists } from '../../src/platform/read-json.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { HELD_STEP, heldTrainer, HeldTrainings, startExample } from '../support/held-example.ts';
import {
  SLURM_NODES,
  startSlurm,
  untilIdle,
  whyNoSlurm,
  type SlurmCluster,
  type SlurmNode,
} from '../support/slurm.ts';
import { stageStarted, waitForProgress } from '../support/tiny-run.ts';

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
    undisturbed = await (await startExample(cluster, 'undisturbed', 2)).result();
    await worker.stop();
  });

  it('makes the same training sets and models though it loses a node, the controller and its worker', async () => {
    const worker = cluster.startWorker();
    const run = await startExample(cluster, 'disturbed', 2, (example) => ({
      fineTuning: { ...example.fineTuning, launcher: { kind: 'slurm', command: heldTrainer() } },
    }));
    const disturbed = new HeldTrainings(cluster, 'disturbed');

    await disturbed.held(1, 1);
    const node = await nodeOf(disturbed.folder(1));
    await slurm.killNode(node);
    await disturbed.held(1, 2);
    assert.notEqual(await nodeOf(disturbed.folder(1)), node);
    await slurm.startNode(node);

    await slurm.killController();
    await disturbed.release(1);
    await waitForProgress(run, ({ waits = [] }) =>
      waits.some(
        ({ stage, iteration, reason }) =>
          stage === 'fineTune' && iteration === 2 && /Unable to contact slurm controller/.test(reason),
      ),
    );
    await slurm.startController();

    await disturbed.held(2, 1);
    await worker.kill();
    cluster.startWorker();
    await disturbed.takenOver();
    await disturbed.release(2);

    const { iterations } = await run.result();
    assert.deepEqual(await disturbed.starts(), [
      { starts: 2, resumedFromSteps: [HELD_STEP - 1] },
      { starts: 1, resumedFromSteps: [] },
    ]);
    const reference = new HeldTrainings(cluster, 'undisturbed');
    for (const iteration of [1, 2])
      assert.equal(await disturbed.trainingSet(iteration), await reference.trainingSet(iteration));
    assert.deepEqual(
      iterations.map(({ model }) => model.sha256),
      undisturbed.iterations.map(({ model }) => model.sha256),
    );
  });

  it('makes the same with its models served on Slurm though the node of the server is lost', async () => {
    // No job of the test before is still ending: the server's is the only one.
    await untilIdle(slurm);
    const run = await startExample(cluster, 'served', 1, ({ serving, fineTuning }) => ({
      serving: { ...serving, kind: 'slurm' },
      fineTuning: { ...fineTuning, launcher: { kind: 'process', command: heldTrainer() } },
    }));
    const served = new HeldTrainings(cluster, 'served');
    await waitForProgress(run, stageStarted('judgePairs', 1));
    const node = (await slurm.run('squeue', '-h', '-o', '%N')) as SlurmNode;
    assert(SLURM_NODES.includes(node), `the node of one server: ${node}`);
    await slurm.killNode(node);
    // The judging may be over by now, but not the evaluation after the training: the server is still needed.
    await served.held(1, 1);
    await served.release(1);
    const { iterations } = await run.result();
    assert.equal(iterations[1]!.model.sha256, undisturbed.iterations[1]!.model.sha256);
    const reference = new HeldTrainings(cluster, 'undisturbed');
    assert.equal(await served.trainingSet(1), await reference.trainingSet(1));
    const logs = join(cluster.storeRoot, '.machines', hostname(), 'servers', '*.log');
    const log = await Promise.all((await Array.fromAsync(glob(logs))).map((file) => readFile(file, 'utf8')));
    const jobs = new Set(log.join('').match(/^Slurm job \d+ runs on n\d$/gm));
    assert(jobs.size > 1, [...jobs].join());
    await slurm.startNode(node);
  });

  async function nodeOf(folder: string): Promise<SlurmNode> {
    const lease = await readJsonIfExists(join(folder, 'lease.json'), leaseSchema);
    return lease!.host as SlurmNode;
  }
});
