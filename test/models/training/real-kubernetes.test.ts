import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { followTraining } from '../../../src/models/training/follow-training.ts';
import { allProgress, type TrainingJob } from '../../../src/models/training/job.ts';
import { kubernetesLauncher } from '../../../src/models/training/launchers/kubernetes.ts';
import { LauncherUnavailable, type JobState } from '../../../src/models/training/launchers/launcher.ts';
import { launcherOf, launcherSchema } from '../../../src/models/training/launchers/registry.ts';
import { readFaults } from '../../../src/models/training/trainer-faults.ts';
import { newestStart, startTokens } from '../../../src/models/training/trainer-starts.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { hostPod, type HostPodOptions } from '../../support/host-pod.ts';
import {
  startKubernetes,
  whyNoKubernetes,
  type KubernetesCluster,
  type KubernetesNode,
} from '../../support/kubernetes-cluster.ts';
import { sftJob, writeSftInputs } from '../../support/sft-job.ts';
import { findKubernetes } from '../../../tools/setup/kubernetes.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const NAMESPACE = 'self-taught-evaluator';
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const QUOTAS = `/api/v1/namespaces/${NAMESPACE}/resourcequotas`;

describe('a real Kubernetes', function () {
  this.timeout(1_200_000);
  let cluster: KubernetesCluster;
  let folder: string;
  const original = process.env['KUBECONFIG'];

  before(async function () {
    const reason = whyNoKubernetes();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    const token = randomUUID();
    cluster = await startKubernetes((await findKubernetes())!, {
      [`system:serviceaccount:${NAMESPACE}:trainings`]: token,
    });
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-trainings-'));
    await applyManifests();
    process.env['KUBECONFIG'] = cluster.writeKubeconfig('trainings.yaml', token, NAMESPACE);
    await writeSftInputs(python, folder);
  });
  after(async () => {
    if (original === undefined) delete process.env['KUBECONFIG'];
    else process.env['KUBECONFIG'] = original;
    await cluster?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('runs a Job for a start, finds it again, and sees its end and its output', async () => {
    const start = await submit({ command: ['sh', '-c', 'echo "up as ${WORLD_SIZE:-one}"; exit 75'] });
    assert.equal(await kubernetesLauncher.find(start.token, start.request.files), start.job);
    assert.equal(await kubernetesLauncher.submit(start.request), start.job, 'a repeated submission');
    const gone = await reach(start.job, 'gone');
    assert.equal(gone.exitCode, 75);
    assert.match(gone.message ?? '', / on node[12]: Error, exit code 75: up as one/);
    assert.equal(await readFile(start.log, 'utf8'), 'up as one\n');
    assert.equal((await reach((await submit({ command: ['true'] })).job, 'gone')).exitCode, 0);
  });

  it('says that a Job ran out of memory, or can not be started', async () => {
    const hungry = ['{python}', '-c', 'x = bytearray(10**9); print(len(x))'];
    const gone = await reach(
      (await submit({ command: hungry }, { limits: { memory: '200Mi' } })).job,
      'gone',
    );
    assert.equal(gone.reason, 'out-of-memory', gone.message);
    assert.match(gone.message ?? '', /OOMKilled, exit code 137/);
    const missing = await reach((await submit({ python: '/no/python' })).job, 'gone');
    assert.equal(missing.exitCode, 78, missing.message);
    assert.match(missing.message ?? '', /StartError.*\/no\/python.*no such file/);
  });

  it('says why a Job waits, and deletes it there', async () => {
    const gpus = await submit({}, { limits: { 'nvidia.com/gpu': 8 } });
    await waits(gpus.job, /waits: Unschedulable: 0\/2 nodes are available: 2 Insufficient nvidia\.com\/gpu/);
    const image = await submit({}, { image: 'registry.invalid/judges:1' });
    await waits(image.job, /can't start: (ErrImagePull|ImagePullBackOff): .*registry\.invalid/);
    await quota({ 'limits.memory': '1Gi' }, async () => {
      const big = await submit({}, { limits: { memory: '2Gi' } });
      await waits(
        big.job,
        /FailedCreate: Error creating: pods .* exceeded quota: limited, .*limits\.memory=2Gi/,
      );
      await kubernetesLauncher.end(big.job, undefined);
    });
    for (const { job } of [gpus, image]) {
      await kubernetesLauncher.end(job, undefined);
      await isDeleted(job);
    }
  });

  it('refuses what is wrong in its own words, and a used-up quota only for now', async () => {
    for (const [settings, words] of [
      [{ namespace: 'nowhere' }, /cannot create resource "jobs" .* in the namespace "nowhere"/],
      [
        { podTemplate: hostPod(python, folder, { spec: { restartPolice: 'Never' } }) },
        /unknown field .*restartPolice/,
      ],
      [
        { podTemplate: hostPod(python, folder, { volumeMounts: [{ name: 'gone', mountPath: '/gone' }] }) },
        /Not found: "gone"/,
      ],
    ] as const) {
      const { problems } = await check(settings);
      assert.match(problems.join(), words);
      await assert.rejects(submit(settings), (error: Error) => {
        assert.match(error.message, words);
        return !(error instanceof LauncherUnavailable);
      });
    }
    assert.deepEqual((await check({})).problems, []);
    await quota({ 'count/jobs.batch': '0', 'limits.memory': '1Gi' }, async () => {
      await assert.rejects(submit({}), (error: Error) => {
        assert.match(error.message, /exceeded quota: limited, requested: count\/jobs\.batch=1/);
        return error instanceof LauncherUnavailable;
      });
      const { problems } = await check({
        podTemplate: hostPod(python, folder, { limits: { memory: '2Gi' } }),
      });
      assert.match(
        problems.join(),
        /the quota limited allows 1Gi of limits\.memory, and the Job needs 2147483648/,
      );
    });
  });

  it('ends a running Job at once, and lets one that is evicted save', async () => {
    const stubborn = ['sh', '-c', 'trap "" TERM; echo up; while true; do sleep 1; done'];
    const running = await submit({ command: stubborn });
    await output(running.log, /up/);
    await kubernetesLauncher.end(running.job, undefined);
    await isDeleted(running.job);
    const saving = await submit({
      command: [
        'sh',
        '-c',
        'trap "sleep 2; echo saved; exit 75" TERM; echo up; while true; do sleep 1; done',
      ],
    });
    await output(saving.log, /up/);
    const [name] = await podsOf(saving.job);
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: NAMESPACE } };
    await cluster.api(`${PODS}/${name}/eviction`, { method: 'POST', body });
    assert.equal((await reach(saving.job, 'gone')).reason, 'preempted');
    await output(saving.log, /saved/);
  });

  it('is no news of a Job while the control plane is down', async () => {
    const { job, log } = await submit({ command: ['sh', '-c', 'echo up; sleep 1000'] });
    await output(log, /up/);
    await reach(job, 'running');
    await cluster.killControlPlane();
    await waits(job, /nothing is known of .*: Kubernetes does not answer at .*ECONNREFUSED/);
    await assert.rejects(submit({}), LauncherUnavailable);
    cluster.startControlPlane();
    await reach(job, 'running');
    await kubernetesLauncher.end(job, undefined);
  });

  it('trains on two nodes to the same weights as two processes of one machine', async () => {
    const onNodes = await follow(jobOf('two-nodes', 20), { nodes: 2 }).result;
    const torchrun = ['{python}', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'];
    const processes = { kind: 'process', command: [...torchrun, '-m', 'trainer', '--job', '{job}'] };
    const onOne = await follow(jobOf('two-processes', 20), processes).result;
    assert.equal(onNodes.model.sha256, onOne.model.sha256);
  });

  it('stops a cancelled training with a checkpoint', async () => {
    const job = jobOf('cancelled', 1_000_000);
    const stop = new AbortController();
    const { result } = follow(job, {}, stop.signal);
    void result.catch(() => undefined);
    await trains(job, 30);
    stop.abort(new Error('a test'));
    await assert.rejects(result, { name: 'TrainingStopped' });
    assert.equal((await newestStart(openObjectStore(job.outputFolder)))!.exit?.exitCode, 75);
  });

  it('goes on in a new Job when the node is gone, which is never waited for', async () => {
    const job = jobOf('node-lost', 300);
    const { result } = follow(job);
    await trains(job, 30);
    const { token } = (await newestStart(openObjectStore(job.outputFolder)))!;
    const [, node] = await podsOf(`${NAMESPACE}/self-taught-evaluator-${token}`);
    await cluster.killNode(node as KubernetesNode);
    const { resumedFromSteps, steps, model } = await result;
    assert.equal(steps, 300);
    assert.equal(resumedFromSteps.length, 1);
    assert.deepEqual(
      await readFaults(openObjectStore(job.outputFolder)),
      [],
      'a lost node is no fault of the training',
    );
    assert.equal((await startTokens(openObjectStore(job.outputFolder))).length, 2);
    const command = ['{python}', '-m', 'trainer', '--job', '{job}'];
    const undisturbed = await follow(jobOf('undisturbed', 300), { kind: 'process', command }).result;
    assert.equal(model.sha256, undisturbed.model.sha256);
  });

  function jobOf(name: string, maxSteps: number): TrainingJob {
    return sftJob(folder, name, {
      ...{ epochs: 1_000_000, maxSteps, perDeviceBatchSize: 4, gradientAccumulationSteps: 1 },
      ...{ learningRate: 1e-3, warmupSteps: 0, maxLength: 32, precision: 'float32', saveSteps: 20 },
    });
  }

  function follow(job: TrainingJob, given: object = {}, signal?: AbortSignal) {
    const settings = launcherSchema.parse(
      'kind' in given
        ? given
        : {
            kind: 'kubernetes',
            podTemplate: hostPod(python, folder, { limits: { memory: '3Gi' } }),
            ...given,
          },
    );
    const result = followTraining({
      ...{ job, settings, launcher: launcherOf(settings), onAbort: () => 'stop' as const },
      machine: { python, packageRoot, environment: { ...process.env, OMP_NUM_THREADS: '1' } },
      ...(signal === undefined ? {} : { signal }),
    });
    return { result };
  }

  function settingsOf(settings: object, pod?: HostPodOptions) {
    return kubernetesLauncher.configuration.parse({
      ...{ kind: 'kubernetes', podTemplate: hostPod(python, folder, pod) },
      ...settings,
    });
  }

  async function submit(settings: object, pod?: HostPodOptions) {
    const token = randomUUID();
    const start = join(folder, token);
    await mkdir(start);
    const paths = { jobFile: join(start, 'job.json'), logFile: join(start, 'log') };
    await writeFile(paths.jobFile, '{}');
    const machine = { python, packageRoot, environment: {} };
    const files = openObjectStore(start);
    const request = { settings: settingsOf(settings, pod), machine, token, files, ...paths };
    const job = await kubernetesLauncher.submit(request);
    return { job, token, request, log: paths.logFile };
  }

  function check(settings: object) {
    return kubernetesLauncher.check({
      ...{ settings: settingsOf(settings), machine: { python, packageRoot, environment: {} } },
      ...{ baseCheckpoint: undefined, trustRemoteCode: false, reportTo: [], storeFolder: folder },
    });
  }

  /** Waits until the job waits for a reason. */
  async function waits(job: string, reason: RegExp): Promise<void> {
    for (let last = ''; ; await sleep(200)) {
      const state = await kubernetesLauncher.look(job);
      if (state.phase === 'queued' && reason.test(state.why)) return;
      const text = JSON.stringify(state);
      if (text !== last) console.log(`      ${text}`);
      last = text;
    }
  }

  /** Names of a Job's pod and of its node. */
  async function podsOf(job: string): Promise<string[]> {
    const labelSelector = `batch.kubernetes.io/job-name=${job.split('/')[1]}`;
    const { items } = (await cluster.api(PODS, { query: { labelSelector } })) as {
      items: { metadata: { name: string }; spec: { nodeName: string } }[];
    };
    return items.flatMap(({ metadata, spec }) => [metadata.name, spec.nodeName]);
  }

  async function quota(hard: Record<string, string>, action: () => Promise<void>): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'limited' }, spec: { hard } };
    await cluster.api(QUOTAS, { method: 'POST', body });
    const isKnown = async () =>
      Object.keys(
        ((await cluster.api(`${QUOTAS}/limited`)) as { status: { hard?: object } }).status.hard ?? {},
      ).length > 0;
    while (!(await isKnown())) await sleep(200);
    await action();
    await cluster.api(`${QUOTAS}/limited`, { method: 'DELETE' });
  }

  /** Creates what deploy/kubernetes has; the API server refuses fields that it does not know. */
  async function applyManifests(): Promise<void> {
    const paths: Readonly<Record<string, string>> = {
      Namespace: '/api/v1/namespaces',
      PersistentVolumeClaim: `/api/v1/namespaces/${NAMESPACE}/persistentvolumeclaims`,
      ServiceAccount: `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`,
      Role: `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}/roles`,
      RoleBinding: `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}/rolebindings`,
      Deployment: `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`,
    };
    for (const file of ['namespace', 'store', 'access', 'workers'])
      for (const document of parseAllDocuments(
        await readFile(join(packageRoot, 'deploy', 'kubernetes', `${file}.yaml`), 'utf8'),
      )) {
        const body = document.toJS() as { kind: string };
        const query = { fieldValidation: 'Strict' };
        await cluster.api(paths[body.kind]!, { method: 'POST', body, query });
      }
  }
});

/** Waits until the job is in the phase. */
async function reach<Phase extends JobState['phase']>(job: string, phase: Phase) {
  for (;;) {
    const state = await kubernetesLauncher.look(job);
    if (state.phase === phase) return state as Extract<JobState, { phase: Phase }>;
    assert.notEqual(state.phase, 'gone', JSON.stringify(state));
    await sleep(200);
  }
}

async function isDeleted(job: string): Promise<void> {
  while ((await reach(job, 'gone')).message !== `Kubernetes has no Job ${job}`) await sleep(200);
}

async function output(file: string, pattern: RegExp): Promise<void> {
  while (!pattern.test(await readFile(file, 'utf8').catch(() => ''))) await sleep(100);
}

/** Waits until a trainer has made so many steps. */
async function trains({ outputFolder }: TrainingJob, steps: number): Promise<void> {
  const progress = async () =>
    allProgress(await readFile(join(outputFolder, 'progress.jsonl'), 'utf8').catch(() => ''));
  while ((await progress()).length < steps) await sleep(50);
}
