/** The embedded example with its store in a bucket of a real S3 server. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunResult } from '../../src/client/index.ts';
import { leaseSchema } from '../../src/models/training/job.ts';
import { moduleFile, packageRoot } from '../../src/platform/package-root.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { localServerEnvironment } from '../../src/temporal/settings.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { HELD_STEP, heldTrainer, HeldTrainings, startExample } from '../support/held-example.ts';
import { createNetwork, whyNoMachines, type Machine, type Network } from '../support/machines.ts';
import { findVersitygw, NO_S3_SERVER, startS3Server, type S3Server } from '../support/s3-server.ts';
import { startSlurm, whyNoSlurm, type SlurmCluster, type SlurmNode } from '../support/slurm.ts';

interface MachineWithWorker {
  readonly machine: Machine;
  /** The folder of its files that no other machine uses. */
  readonly disk: string;
  log(): string;
}

describe('the embedded example with its store in a bucket', function () {
  this.timeout(900_000);
  let folder: string;
  let s3: S3Server;
  let network: Network;
  let slurm: SlurmCluster | undefined;
  let cluster: Cluster;
  let machines: MachineWithWorker[] = [];
  let undisturbed: RunResult;

  before(async function () {
    const versitygw = await findVersitygw();
    const reason = versitygw === undefined ? NO_S3_SERVER : whyNoMachines();
    if (versitygw === undefined || reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'bucket-'));
    s3 = await startS3Server(versitygw);
    await s3.createBucket('judges');
    // As on this machine, so that the test may look into the bucket.
    Object.assign(process.env, s3.environment);
    network = await createNetwork();
    slurm = whyNoSlurm() === undefined ? await startSlurm() : undefined;
    cluster = await startCluster(undefined, slurm?.environment);
  });
  afterEach(async () => {
    await Promise.all(machines.map(({ machine }) => machine.kill()));
    await cluster.stopWorkers();
  });
  after(async () => {
    for (const name of Object.keys(s3?.environment ?? {})) delete process.env[name];
    await network?.close();
    await cluster?.close();
    await slurm?.close();
    await s3?.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('runs with its store in a folder', async () => {
    cluster.startWorker();
    undisturbed = await (await startExample(cluster, 'undisturbed', 2)).result();
  });

  it('makes the same on two machines that share only the bucket, though one is lost with its disk while it trains', async () => {
    const storeRoot = 's3://judges/machines';
    machines = await Promise.all(['a', 'b'].map((name) => startMachineWithWorker(name, storeRoot)));
    const run = await startExample(cluster, 'disturbed', 2, ({ fineTuning, serving }) => ({
      fineTuning: { ...fineTuning, launcher: { kind: 'process', command: heldTrainer(holdFolder()) } },
      serving: { ...serving, stopWhileTraining: true },
    }));
    const disturbed = new HeldTrainings({ client: cluster.client, storeRoot }, 'disturbed', holdFolder());

    await orFailure(run.result(), disturbed.held(1, 1));
    await checkpointIsStored(storeRoot, 'disturbed', HELD_STEP - 1);
    const host = await trainingHost(storeRoot, 'disturbed');
    const lost = machines.find(({ machine }) => machine.name === host)!;
    await lost.machine.kill();
    await rm(lost.disk, { recursive: true });

    await orFailure(run.result(), disturbed.held(1, 2));
    assert.notEqual(await trainingHost(storeRoot, 'disturbed'), host);
    await disturbed.release(1);
    await disturbed.release(2);
    const { iterations } = await run.result().catch((error: unknown) => {
      throw new Error(machines.map((each) => each.log()).join('\n'), { cause: error });
    });
    assert.deepEqual(await disturbed.starts(), [
      { starts: 2, resumedFromSteps: [HELD_STEP - 1] },
      { starts: 1, resumedFromSteps: [] },
    ]);
    await assertSame(disturbed, iterations);
  });

  it('makes the same with its trainings on Slurm, though the node of one is lost', async function () {
    if (slurm === undefined) {
      console.log(`      skipped: ${whyNoSlurm()}`);
      return this.skip();
    }
    const storeRoot = 's3://judges/slurm';
    cluster.startWorker('--store', storeRoot);
    const run = await startExample(cluster, 'scheduled', 2, ({ fineTuning }) => ({
      fineTuning: { ...fineTuning, launcher: { kind: 'slurm', command: heldTrainer(holdFolder()) } },
    }));
    const scheduled = new HeldTrainings({ client: cluster.client, storeRoot }, 'scheduled', holdFolder());
    await orFailure(run.result(), scheduled.held(1, 1));
    await checkpointIsStored(storeRoot, 'scheduled', HELD_STEP - 1);
    await slurm.killNode((await trainingHost(storeRoot, 'scheduled')) as SlurmNode);
    await orFailure(run.result(), scheduled.held(1, 2));
    await scheduled.release(1);
    await scheduled.release(2);
    const { iterations } = await run.result();
    assert.deepEqual((await scheduled.starts())[0], { starts: 2, resumedFromSteps: [HELD_STEP - 1] });
    await assertSame(scheduled, iterations);
  });

  const holdFolder = () => join(folder, 'holds');

  /** A machine with a disk of its own, and a worker on it with all roles. */
  async function startMachineWithWorker(name: string, storeRoot: string): Promise<MachineWithWorker> {
    const machine = await network.startMachine(name);
    const disk = join(folder, name);
    await mkdir(join(disk, 'tmp'), { recursive: true });
    const forward = (address: string) => network.forward(Number(new URL(address).port));
    const logFile = join(folder, `${name}.log`);
    const log = openSync(logFile, 'a');
    machine.spawn(
      [
        ...[process.execPath, moduleFile('cli/main'), 'worker', '--store', storeRoot],
        ...['--serve-host', machine.address!, '--machine-folder', join(disk, 'machine')],
        ...['--on-shutdown', 'stop', '--shutdown-grace-seconds', '1', '--log-format', 'text'],
      ],
      {
        cwd: packageRoot,
        stdio: ['ignore', log, log],
        env: {
          ...localServerEnvironment(await forward(`http://${cluster.address}`), process.env),
          ...s3.environment,
          SELF_TAUGHT_EVALUATOR_POLICY: 'open',
          AWS_ENDPOINT_URL_S3: `http://${await forward(s3.environment['AWS_ENDPOINT_URL_S3']!)}`,
          SELF_TAUGHT_EVALUATOR_CACHE: join(disk, 'cache'),
          TMPDIR: join(disk, 'tmp'),
          OMP_NUM_THREADS: '1',
        },
      },
    );
    closeSync(log);
    return { machine, disk, log: () => readFileSync(logFile, 'utf8') };
  }

  /** Waits for an event of a run, and fails with the run's own failure if that comes first. */
  async function orFailure(result: Promise<RunResult>, event: Promise<void>): Promise<void> {
    await Promise.race([
      event,
      result.then(() => {
        throw new Error('the run has ended before');
      }),
    ]);
  }

  async function checkpointIsStored(storeRoot: string, runName: string, step: number): Promise<void> {
    const marker = `${runUris.training(runName, 1)}/checkpoints/checkpoint-${step}/complete.json`;
    while ((await openStore(storeRoot).readText(marker)) === undefined) await sleep(100);
  }

  /** The host of the trainer of the first iteration. */
  async function trainingHost(storeRoot: string, runName: string): Promise<string> {
    const lease = await openStore(storeRoot).readText(`${runUris.training(runName, 1)}/lease.json`);
    return leaseSchema.parse(JSON.parse(lease ?? '')).host;
  }

  async function assertSame(trainings: HeldTrainings, iterations: RunResult['iterations']): Promise<void> {
    const reference = new HeldTrainings(cluster, 'undisturbed');
    for (const iteration of [1, 2])
      assert.equal(await trainings.trainingSet(iteration), await reference.trainingSet(iteration));
    assert.deepEqual(
      iterations.map(({ model }) => model.sha256),
      undisturbed.iterations.map(({ model }) => model.sha256),
    );
  }
});
