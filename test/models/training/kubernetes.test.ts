import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { followTraining } from '../../../src/models/training/follow-training.ts';
import { allProgress, leaseSchema, type TrainingJob } from '../../../src/models/training/job.ts';
import { launcherOf, launcherSchema } from '../../../src/models/training/launchers/registry.ts';
import { readFaults } from '../../../src/models/training/trainer-faults.ts';
import { newestStart, startTokens } from '../../../src/models/training/trainer-starts.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { Refused, startKubernetesApi, type KubernetesApi, type Pod } from '../../support/kubernetes-api.ts';
import { paused, pausingTrainer } from '../../support/interrupted-training.ts';
import { sftJob, writeSftInputs } from '../../support/sft-job.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const TRAINER = ['-m', 'trainer', '--job', '{job}'];

/** The pods are processes of this machine (kubernetes-api.ts); real-kubernetes.test.ts runs them on real nodes. */
describe('a training on Kubernetes', function () {
  this.timeout(900_000);
  let api: KubernetesApi;
  let folder: string;
  const original = process.env['KUBECONFIG'];

  before(async () => {
    api = await startKubernetesApi();
    api.runsPods = true;
    process.env['KUBECONFIG'] = await api.writeKubeconfig();
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-trainings-'));
    await writeSftInputs(python, folder);
  });
  after(async () => {
    if (original === undefined) delete process.env['KUBECONFIG'];
    else process.env['KUBECONFIG'] = original;
    await api?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('goes on in a new Job when its node is gone, and ends with the weights of an undisturbed training', async () => {
    const job = jobOf('node-lost', 400);
    const { result } = follow(job, { command: pausingTrainer(31) });
    await paused(job);
    const [pod] = api.pods.values();
    api.loseNode(pod as Pod);
    const { resumedFromSteps, model, steps } = await result;
    assert.equal(steps, 400);
    assert.equal(resumedFromSteps.length, 1);
    assert.deepEqual(
      await readFaults(openObjectStore(job.outputFolder)),
      [],
      'a lost node is no fault of the training',
    );
    const tokens = await startTokens(openObjectStore(job.outputFolder));
    assert.deepEqual(
      tokens.map((token) => `self-taught-evaluator-${token}`),
      [...api.jobs.keys()],
    );
    assert.equal(tokens.length, 2);
    const undisturbed = await follow(jobOf('undisturbed', 400), PROCESS).result;
    assert.equal(model.sha256, undisturbed.model.sha256);
  });

  it('trains in two pods to the same weights as two processes of one machine', async () => {
    const onNodes = await follow(jobOf('two-nodes', 20), { nodes: 2 }).result;
    const torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'];
    const processes = { kind: 'process', command: ['{python}', ...torchrun, ...TRAINER] };
    const onOne = await follow(jobOf('two-processes', 20), processes).result;
    assert.equal(onNodes.model.sha256, onOne.model.sha256);
    assert.match(await readFile(join(folder, 'two-nodes', 'trainer.log'), 'utf8'), /steps on 2 x cpu/);
  });

  it('is cancelled with a checkpoint', async () => {
    const job = jobOf('cancelled', 1_000_000);
    const stop = new AbortController();
    const { result } = follow(job, {}, stop.signal);
    void result.catch(() => undefined);
    const { token } = await trainsWith(job, 30);
    stop.abort(new Error('a test'));
    await assert.rejects(result, { name: 'TrainingStopped' });
    assert.equal((await newestStart(openObjectStore(job.outputFolder)))!.exit?.exitCode, 75);
    const { step } = (await progressOf(job)).at(-1)!;
    assert(existsSync(join(job.outputFolder, 'checkpoints', `checkpoint-${step}`, 'complete.json')));
    assert.deepEqual(await startTokens(openObjectStore(job.outputFolder)), [token]);
  });

  it('says why it waits in the queue, and is deleted there by a cancellation', async () => {
    api.runsPods = false;
    const job = jobOf('queued', 20);
    const stop = new AbortController();
    const { result, reasons } = follow(job, {}, stop.signal);
    void result.catch(() => undefined);
    const created = () => [...api.jobs.values()].find(({ metadata }) => metadata.name.endsWith(token));
    while ((await newestStart(openObjectStore(job.outputFolder)))?.job === undefined) await sleep(20);
    const { token } = (await newestStart(openObjectStore(job.outputFolder)))!;
    const message = '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.';
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
    api.addPod(created()!, { phase: 'Pending', conditions });
    while (!reasons.some((why) => why.includes(message))) await sleep(20);
    stop.abort(new Error('a test'));
    await assert.rejects(result, { name: 'TrainingStopped' });
    assert.equal(created(), undefined);
    api.runsPods = true;
  });

  it('is submitted by itself when a quota is free again', async () => {
    const message = 'jobs.batch "x" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1';
    api.answer = ({ method }) => {
      if (method === 'POST') throw new Refused({ code: 403, reason: 'Forbidden', message });
      return undefined;
    };
    const { result, reasons } = follow(jobOf('quota', 20));
    while (reasons.length === 0) await sleep(20);
    assert.equal(reasons[0], message);
    api.answer = () => undefined;
    assert.equal((await result).steps, 20);
  });

  it("fails for good in Kubernetes' own words if it is refused for good", async () => {
    const message = 'namespaces "judges" not found';
    api.answer = ({ method }) => {
      if (method === 'POST') throw new Refused({ code: 404, reason: 'NotFound', message });
      return undefined;
    };
    const { result } = follow(jobOf('refused', 20));
    await assert.rejects(result, (error: Error) => {
      assert.equal(error.name, 'TrainingFailedPermanently');
      return error.message.includes(message);
    });
    api.answer = () => undefined;
  });

  const PROCESS = { kind: 'process', command: ['{python}', ...TRAINER] };

  function jobOf(name: string, maxSteps: number): TrainingJob {
    return sftJob(folder, name, {
      ...{ epochs: 1_000_000, maxSteps, perDeviceBatchSize: 4, gradientAccumulationSteps: 1 },
      ...{ learningRate: 1e-3, warmupSteps: 0, maxLength: 32, precision: 'float32', saveSteps: 20 },
    });
  }

  /** Follows a training, on Kubernetes by default; `reasons` are those of its waits in the queue. */
  function follow(job: TrainingJob, given: object = {}, signal?: AbortSignal) {
    const trainer = {
      ...{ name: 'trainer', image: 'judges:1' },
      volumeMounts: [{ name: 'store', mountPath: folder }],
      env: [
        { name: 'HOME', value: process.env['HOME'] },
        { name: 'OMP_NUM_THREADS', value: '1' },
      ],
    };
    const podTemplate = { spec: { containers: [trainer] } };
    const settings = launcherSchema.parse(
      'kind' in given ? given : { kind: 'kubernetes', podTemplate, ...given },
    );
    const reasons: string[] = [];
    const result = followTraining({
      job,
      settings,
      launcher: launcherOf(settings),
      machine: { python, packageRoot, environment: { ...process.env, OMP_NUM_THREADS: '1' } },
      onProgress: ({ why }) => {
        if (why !== undefined) reasons.push(why);
      },
      onAbort: () => 'stop',
      leaseSeconds: 2,
      ...(signal === undefined ? {} : { signal }),
    });
    return { result, reasons };
  }
});

/** Waits until a trainer has made so many steps; returns its lease. */
async function trainsWith(job: TrainingJob, steps: number) {
  for (;;) {
    const text = await readFile(join(job.outputFolder, 'lease.json'), 'utf8').catch(() => undefined);
    if (text !== undefined && (await progressOf(job)).length >= steps)
      return leaseSchema.parse(JSON.parse(text));
    await sleep(50);
  }
}

async function progressOf({ outputFolder }: TrainingJob) {
  return allProgress(await readFile(join(outputFolder, 'progress.jsonl'), 'utf8').catch(() => ''));
}
