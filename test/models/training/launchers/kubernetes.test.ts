import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { kubernetesLauncher } from '../../../../src/models/training/launchers/kubernetes.ts';
import { LauncherUnavailable, type JobState } from '../../../../src/models/training/launchers/launcher.ts';
import { openObjectStore } from '../../../../src/store/drivers.ts';
import {
  Refused,
  startKubernetesApi,
  type KubernetesApi,
  type Manifest,
  type Pod,
} from '../../../support/kubernetes-api.ts';

type Settings = Partial<z.input<typeof kubernetesLauncher.configuration>>;

describe('the Kubernetes launcher', function () {
  this.timeout(60_000);
  let api: KubernetesApi;
  let folder: string;
  const original = process.env['KUBECONFIG'];

  beforeEach(async () => {
    api = await startKubernetesApi();
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-jobs-'));
    process.env['KUBECONFIG'] = await api.writeKubeconfig();
  });
  afterEach(async () => {
    if (original === undefined) delete process.env['KUBECONFIG'];
    else process.env['KUBECONFIG'] = original;
    await api.close();
    await rm(folder, { recursive: true });
  });

  describe('creates a Job', () => {
    it('from the pod template, which Kubernetes never starts again', async () => {
      const { job, token } = await submit({ nodes: 2, processesPerNode: 8 });
      assert.equal(job, `judges/self-taught-evaluator-${token}`);
      const { metadata, spec } = onlyJob();
      assert.equal(metadata.labels['self-taught-evaluator/token'], token);
      assert.equal(metadata.labels['kueue.x-k8s.io/queue-name'], 'gpus');
      const { template, ...rest } = spec;
      assert.deepEqual(rest, {
        ...{ completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimit: 0 },
        podFailurePolicy: {
          rules: [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
        },
        ttlSecondsAfterFinished: 86_400,
      });
      const { containers, ...pod } = template.spec;
      assert.deepEqual(pod, {
        ...{
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 600,
          restartPolicy: 'Never',
        },
        nodeSelector: { gpu: 'h100' },
        volumes: [
          { name: 'store', persistentVolumeClaim: { claimName: 'store' } },
          { name: 'self-taught-evaluator-shm', emptyDir: { medium: 'Memory' } },
        ],
      });
      const [trainer, sidecar] = containers as [object, object];
      assert.deepEqual(trainer, {
        ...{ name: 'trainer', image: 'judges:1', workingDir: '/app', args: [] },
        terminationMessagePolicy: 'FallbackToLogsOnError',
        resources: { limits: { 'nvidia.com/gpu': 8 } },
        command: [
          ...['python3', '-m', 'trainer.launch_ranks', '--nodes', '2', '--processes', '8'],
          ...['--start', join(folder, token), '--log', join(folder, 'trainer.log'), '--'],
          ...['python3', '-m', 'trainer', '--job', join(folder, token, 'job.json')],
        ],
        env: [
          { name: 'PYTHONPATH', value: '/app' },
          { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'HF_TOKEN', valueFrom: { secretKeyRef: { name: 'hub', key: 'token' } } },
        ],
        volumeMounts: [
          { name: 'store', mountPath: folder },
          { name: 'self-taught-evaluator-shm', mountPath: '/dev/shm' },
        ],
      });
      assert.deepEqual(sidecar, { name: 'metrics', image: 'metrics:1', env: [], volumeMounts: [] });
      assert(!JSON.stringify(onlyJob()).includes('not for jobs'), 'no variable of the worker');
    });

    it('with arguments that Kubernetes does not take for its own variables', async () => {
      await submit({ command: ['sh', '-c', 'echo $(HOSTNAME) $$'] });
      const command = onlyJob().spec.template.spec.containers[0]?.command ?? [];
      assert.equal(command.at(-1), 'echo $$(HOSTNAME) $$$$');
    });

    it('once, though its answer is lost, and finds it by the folder of the start', async () => {
      const start = await newStart();
      assert.equal(await kubernetesLauncher.find(start.token, start.files), undefined);
      let isLost = true;
      api.answer = ({ method, path, body }) => {
        if (method !== 'POST' || !isLost) return undefined;
        isLost = false;
        api.jobs.set((body as Manifest).metadata.name, body as Manifest);
        throw new Refused({ code: 504, reason: 'Timeout', message: `${path}: request timed out` });
      };
      await assert.rejects(kubernetesLauncher.submit(start.request({})), LauncherUnavailable);
      const found = await kubernetesLauncher.find(start.token, start.files);
      assert.equal(found, await kubernetesLauncher.submit(start.request({})));
      assert.equal(api.jobs.size, 1);
    });

    it('only if its pods see the folder of the store', async () => {
      const problem = await failure(
        submit({ podTemplate: { spec: { containers: [{ name: 'trainer', image: 'i' }] } } }),
      );
      assert.match(
        problem.message,
        /does not see \S+: mount the volume of the store at the same path .* no volume at all/,
      );
      assert.deepEqual(api.requests, []);
    });

    it('whose pods need no volume if the files of the training are in a bucket, and finds it by its note there', async () => {
      const podTemplate = { spec: { containers: [{ name: 'trainer', image: 'i' }] } };
      const start = await newStart();
      const place = `memory:${start.token}/starts/${start.token}`;
      const request = {
        ...start.request({ podTemplate }),
        jobFile: `${place}/job.json`,
        files: openObjectStore(place),
      };
      const job = await kubernetesLauncher.submit(request);
      assert.deepEqual(onlyJob().spec.template.spec.containers[0]?.command?.slice(5), [
        ...['--processes', '1', '--start', place, '--log', '/dev/null', '--'],
        ...['python3', '-m', 'trainer', '--job', `${place}/job.json`],
      ]);
      assert.equal(await kubernetesLauncher.find(start.token, request.files), job);
    });
  });

  for (const [what, code, reason, message, isTemporary] of [
    ['a namespace that does not exist', 404, 'NotFound', 'namespaces "judges" not found', false],
    [
      ...['an account without the permission', 403, 'Forbidden'],
      ...[
        'jobs.batch is forbidden: User "system:serviceaccount:judges:worker" cannot create resource "jobs"',
      ],
      false,
    ],
    [
      ...['a misspelled field', 400, 'BadRequest'],
      'Job in version "v1" cannot be handled as a Job: strict decoding error: unknown field "spec.template.spec.nodeSelecter"',
      false,
    ],
    [
      ...['a volume that does not exist', 422, 'Invalid'],
      'Job.batch "x" is invalid: spec.template.spec.containers[0].volumeMounts[0].name: Not found: "gone"',
      false,
    ],
    [
      ...['a used-up quota', 403, 'Forbidden'],
      'jobs.batch "x" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1, used: count/jobs.batch=2, limited: count/jobs.batch=2',
      true,
    ],
    ['an overloaded server', 429, 'TooManyRequests', 'Too many requests, please try again later.', true],
    ['a database that is away', 500, '', 'etcdserver: request timed out', true],
  ] as const)
    it(`refuses ${what} in Kubernetes' own words, ${isTemporary ? 'for now' : 'for good'}`, async () => {
      api.answer = ({ method, path }) => {
        if (method === 'POST' && path.endsWith('/jobs')) throw new Refused({ code, reason, message });
        return undefined;
      };
      const error = await failure(submit({}));
      assert.equal(error.message, message);
      assert.equal(error instanceof LauncherUnavailable, isTemporary);
      const { problems } = await check({});
      assert.deepEqual(problems, [message]);
    });

  describe('says why a Job waits', () => {
    it('for resources', async () => {
      const message =
        '0/2 nodes are available: 2 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.';
      const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
      const why = await whyQueued({ phase: 'Pending', conditions });
      assert.match(
        why,
        /^the pod \S+ waits: Unschedulable: 0\/2 nodes .* Insufficient nvidia\.com\/gpu\. .* not helpful for scheduling\.$/,
      );
    });
    it('for an image', async () => {
      const message =
        'failed to pull and unpack image "registry.invalid/judges:1": failed to resolve reference "registry.invalid/judges:1": failed to do request: Head "https://registry.invalid/v2/judges/manifests/1": dial tcp: lookup registry.invalid on 10.0.0.2:53: no such host';
      const state = { waiting: { reason: 'ErrImagePull', message } };
      const why = await whyQueued({ phase: 'Pending', containerStatuses: [{ name: 'trainer', state }] });
      assert.match(
        why,
        /^the pod \S+ can't start: ErrImagePull: failed to pull and unpack image .*: no such host$/,
      );
    });
    it('for a volume', async () => {
      const state = { waiting: { reason: 'ContainerCreating' } };
      const conditions = [{ type: 'PodScheduled', status: 'True' }];
      const why = await whyQueued(
        { phase: 'Pending', conditions, containerStatuses: [{ name: 'trainer', state }] },
        [
          ['FailedMount', 'MountVolume.SetUp failed for volume "store" : mount failed: exit status 32'],
          ['FailedScheduling', '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.'],
        ],
      );
      assert.match(why, /can't start: FailedMount: MountVolume.SetUp failed for volume "store"/);
    });
    it('for a quota that is used up', async () => {
      const message =
        'Error creating: pods "x-0-" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=8, used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=8';
      const { job } = await submit({});
      api.events.push({ ...eventAt(0), reason: 'FailedCreate', message });
      assert.deepEqual(await kubernetesLauncher.look(job), {
        phase: 'queued',
        why: `FailedCreate: ${message}`,
      });
    });
    it('for a queue that has suspended it', async () => {
      const { job } = await submit({});
      onlyJob().spec.suspend = true;
      onlyJob().status = { conditions: [{ type: 'Suspended', status: 'True', message: 'Job suspended' }] };
      const state = await kubernetesLauncher.look(job);
      assert(state.phase === 'queued');
      assert.match(state.why, /^the Kubernetes Job \S+ is suspended: Job suspended$/);
    });
    it('for an API server that is away, which is no news of the Job', async () => {
      const { job } = await submit({});
      await api.stop();
      const state = await kubernetesLauncher.look(job);
      assert(state.phase === 'queued');
      assert.match(
        state.why,
        /^nothing is known of .*: Kubernetes does not answer at https:\S+: .*ECONNREFUSED/,
      );
    });
  });

  it('does not know of a Job whose node is not heard of, and takes one that is deleted for gone', async () => {
    const { job } = await submit({});
    const pod = api.addPod(onlyJob(), { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
    assert.deepEqual(await kubernetesLauncher.look(job), { phase: 'running' });
    pod.status.conditions = [{ type: 'Ready', status: 'False' }];
    await reach(job, 'unknown');
    api.jobs.clear();
    api.pods.clear();
    const gone = await reach(job, 'gone');
    assert.equal(gone.message, `Kubernetes has no Job ${job}`);
  });

  it('does not know of a Job if this machine has no access', async () => {
    const { job } = await submit({});
    await writeFile(join(folder, 'kubeconfig'), 'contexts: []');
    process.env['KUBECONFIG'] = join(folder, 'kubeconfig');
    assert.deepEqual(await kubernetesLauncher.look(job), { phase: 'unknown' });
    await assert.rejects(submit({}), /there is no context \(current-context is not set\)/);
  });

  it('ends a Job with its pods at once, and returns when they are gone', async () => {
    const { job } = await submit({});
    const pod = api.addPod(onlyJob(), { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
    await kubernetesLauncher.end(job, undefined);
    assert.deepEqual([api.jobs.size, api.pods.size], [0, 0]);
    const name = job.replace('judges/', '');
    const deletions = api.requests.filter((each) => each.startsWith('DELETE'));
    assert.deepEqual(deletions, [
      `DELETE /api/v1/namespaces/judges/pods/${pod.metadata.name}?gracePeriodSeconds=1`,
      `DELETE /apis/batch/v1/namespaces/judges/jobs/${name}?propagationPolicy=Foreground`,
    ]);
    await kubernetesLauncher.end(job, undefined);
  });

  it('checks permissions, quotas and the volume of the store before anything is created', async () => {
    const { device, problems } = await check({ nodes: 2 });
    assert.deepEqual(problems, []);
    assert.match(
      device ?? '',
      /^2 x 1 processes in pods of judges at https:\S+ with 8 nvidia\.com\/gpu each$/,
    );
    assert(api.requests.some((each) => each.includes('/jobs?fieldValidation=Strict&dryRun=All')));
    assert.equal(api.jobs.size, 0);
    api.forbidden.add('delete pods');
    api.quotas.push({
      metadata: { name: 'gpus' },
      spec: { hard: { 'requests.nvidia.com/gpu': '8', 'limits.memory': '1Ti', pods: '2' } },
    });
    assert.deepEqual((await check({ nodes: 2 }, '/elsewhere')).problems, [
      `the container \`trainer\` of launcher.podTemplate does not see /elsewhere: mount the volume of the store at the same path as on the workers (it mounts only ${folder})`,
      'Kubernetes does not allow to delete pods in judges',
      'the quota gpus allows 8 of requests.nvidia.com/gpu, and the Job needs 16',
    ]);
  });

  it('refuses several nodes before anything is created if the store is in a bucket', async () => {
    const { problems } = await check({ nodes: 2 }, undefined, true);
    assert.match(
      problems.join(),
      /launcher\.nodes is 2, but with a store in a bucket a training runs on one node/,
    );
    assert.deepEqual((await check({ processesPerNode: 8 }, undefined, true)).problems, []);
  });

  it('refuses a pod template without an image for the trainer', () => {
    const parse = (podTemplate: Record<string, unknown>) => settingsOf({ podTemplate });
    assert.throws(
      () => parse({ spec: { containers: [{ name: 'main', image: 'i' }] } }),
      /needs a container with the name `trainer` and an image/,
    );
    assert.throws(() => parse({ spec: {} }), /expected array, received undefined/);
  });

  function settingsOf(settings: Settings) {
    return kubernetesLauncher.configuration.parse({
      kind: 'kubernetes',
      python: 'python3',
      podTemplate: {
        metadata: { labels: { 'kueue.x-k8s.io/queue-name': 'gpus' } },
        spec: {
          nodeSelector: { gpu: 'h100' },
          containers: [
            {
              ...{ name: 'trainer', image: 'judges:1', workingDir: '/app' },
              resources: { limits: { 'nvidia.com/gpu': 8 } },
              env: [{ name: 'HF_TOKEN', valueFrom: { secretKeyRef: { name: 'hub', key: 'token' } } }],
              volumeMounts: [{ name: 'store', mountPath: folder }],
            },
            { name: 'metrics', image: 'metrics:1' },
          ],
          volumes: [{ name: 'store', persistentVolumeClaim: { claimName: 'store' } }],
        },
      },
      ...settings,
    });
  }

  async function newStart() {
    const token = randomUUID();
    const start = join(folder, token);
    await mkdir(start);
    const files = openObjectStore(start);
    const paths = { jobFile: join(start, 'job.json'), logFile: join(folder, 'trainer.log') };
    const machine = {
      python: '/worker/python',
      packageRoot: folder,
      environment: { SECRET: 'not for jobs' },
    };
    return {
      ...{ token, files },
      request: (settings: Settings) => ({
        ...{ settings: settingsOf(settings), machine, token, files, ...paths },
      }),
    };
  }

  async function submit(settings: Settings) {
    const { token, request } = await newStart();
    return { token, job: await kubernetesLauncher.submit(request(settings)) };
  }

  function check(settings: Settings, storeFolder: string | undefined = folder, isStoreRemote = false) {
    return kubernetesLauncher.check({
      settings: settingsOf(settings),
      machine: { python: 'python3', packageRoot: folder, environment: {} },
      ...{ baseCheckpoint: undefined, trustRemoteCode: false, reportTo: [], isStoreRemote },
      ...(isStoreRemote ? {} : { storeFolder }),
    });
  }

  function onlyJob(): Manifest {
    const [job] = api.jobs.values();
    assert(job !== undefined && api.jobs.size === 1);
    return job;
  }

  function eventAt(second: number) {
    return { name: onlyJob().metadata.name, lastTimestamp: `2026-01-01T00:00:0${second}Z` };
  }

  /** The reason why a Job waits whose pod is in a state. */
  async function whyQueued(status: Pod['status'], warnings: readonly [string, string][] = []) {
    const { job } = await submit({});
    const { metadata } = api.addPod(onlyJob(), status);
    for (const [index, [reason, message]] of warnings.entries())
      api.events.push({ ...eventAt(index), name: metadata.name, reason, message });
    const state = await kubernetesLauncher.look(job);
    assert(state.phase === 'queued', JSON.stringify(state));
    return state.why;
  }
});

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => assert.fail('it succeeded'),
    (error: Error) => error,
  );
}

/** Waits until the job is in the phase. */
async function reach<Phase extends JobState['phase']>(job: string, phase: Phase) {
  for (;;) {
    const state = await kubernetesLauncher.look(job);
    if (state.phase === phase) return state as Extract<JobState, { phase: Phase }>;
    await sleep(100);
  }
}
