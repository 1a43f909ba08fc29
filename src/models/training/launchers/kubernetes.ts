/**
 * Trainers as Jobs of Kubernetes (batch/v1). Each start is a Job with a name of its own that Kubernetes never starts again:
 * the files in the training's folder say how the training went, and Kubernetes only explains. Written for 1.31 and newer.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { readJsonObject } from '../../../store/objects/read-json-object.ts';
import { bucketProblem } from './bucket-problem.ts';
import { checkpointProblems } from './check-trainer.ts';
import { callApi, isRefusedFor, KubernetesRefused, type ApiRequest } from './kubernetes-api.ts';
import { connect, NotConnected } from './kubernetes-connection.ts';
import {
  jobManifest,
  jobName,
  mountProblem,
  podTemplateField,
  trainerContainer,
} from './kubernetes-manifest.ts';
import { quotaListSchema, quotaProblems } from './kubernetes-quota.ts';
import { eventListSchema, jobSchema, jobState, podListSchema } from './kubernetes-state.ts';
import { launchParallelism } from './launch-parallelism.ts';
import {
  defineLauncher,
  LauncherUnavailable,
  type JobId,
  type JobState,
  type TrainerCheck,
} from './launcher.ts';

const configuration = z
  .strictObject({
    kind: z.literal('kubernetes').describe('A Job of Kubernetes, created by a worker with the role `gpu`.'),
    command: z
      .array(z.string().min(1))
      .min(1)
      .default(['{python}', '-m', 'trainer', '--job', '{job}'])
      .describe(
        'Program and arguments of each process; `{python}` and `{job}` are filled in. Its variables RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT are set, so it needs no torchrun.',
      ),
    nodes: z.int().positive().default(1).describe('The number of pods, each on a node.'),
    processesPerNode: z
      .int()
      .positive()
      .default(1)
      .describe('The number of trainer processes in each pod, one for each GPU.'),
    podTemplate: podTemplateField.describe(
      'The pod template (PodTemplateSpec) of the Job. Its container `trainer` has the image, the resources, and a volume mount for the store.',
    ),
    namespace: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('The namespace; null: that of the context, or of the service account.'),
    context: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe("The context of the worker's kubeconfig; null: its current one, or the service account."),
    python: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe("The Python interpreter in the image; null: at the same path as the worker's."),
  })
  .describe('A Job of Kubernetes.');

type Settings = z.output<typeof configuration>;

export const kubernetesLauncher = defineLauncher({
  configuration,

  async submit(start) {
    const { settings, token, files } = start;
    const problem = files.isRemote ? undefined : mountProblem(settings, files.address);
    if (problem !== undefined) throw new Error(problem);
    const { context } = settings;
    const namespace = settings.namespace ?? (await connect({ context })).namespace;
    // In a bucket the trainer writes its log itself.
    const manifest = jobManifest(namespace, files.isRemote ? { ...start, logFile: '/dev/null' } : start);
    const job = jobId({ context, namespace, name: jobName(token) });
    await files.put(SUBMISSION_FILE, `${JSON.stringify({ job, manifest }, undefined, 2)}\n`);
    await create(context, manifest).catch((error: unknown) => {
      // An earlier request whose answer was lost.
      if (!isRefusedFor(error, 'AlreadyExists')) throw error;
    });
    return job;
  },

  async find(_token, files) {
    const submission = await readJsonObject(files, SUBMISSION_FILE, submissionSchema);
    if (submission === undefined) return undefined;
    return (await readJob(submission.job)) === undefined ? undefined : submission.job;
  },

  look: lookAt,

  async end(job) {
    if (job === undefined) return;
    try {
      await endJob(job);
      for (;;) {
        const { phase } = await readState(job);
        if (phase !== 'queued' && phase !== 'running') return;
        await sleep(200);
      }
    } catch (error) {
      // Kubernetes does not answer. The caller sees that the job is not gone, and tries again.
      if (!(error instanceof LauncherUnavailable)) throw error;
    }
  },

  async check(check) {
    try {
      return await checkCluster(check);
    } catch (error) {
      return { device: undefined, problems: [(error as Error).message] };
    }
  },

  async parallelism({ command, nodes, processesPerNode }, packageRoot) {
    const each = await launchParallelism(command, packageRoot);
    return { ...each, devices: each.devices * nodes * processesPerNode };
  },
});

/** Holds what was submitted, beside the job file of the start: it says where to look for a Job whose creation was interrupted. */
const SUBMISSION_FILE = 'kubernetes.json';
const submissionSchema = z.object({ job: z.string() });

interface JobPlace {
  readonly context: string | null;
  readonly namespace: string;
  readonly name: string;
}

/** The names of namespaces and Jobs have no slash; a context may have one. */
function jobId({ context, namespace, name }: JobPlace): JobId {
  return [namespace, name, ...(context === null ? [] : [context])].join('/');
}

function placeOf(job: JobId): JobPlace {
  const [namespace = '', name = '', ...context] = job.split('/');
  return { context: context.length === 0 ? null : context.join('/'), namespace, name };
}

function create(
  context: string | null,
  manifest: ReturnType<typeof jobManifest>,
  query?: ApiRequest['query'],
) {
  return request({ ...manifest.metadata, context }, 'jobs', jobSchema, {
    method: 'POST',
    body: manifest,
    // A misspelled field of the pod template would be ignored otherwise.
    query: { fieldValidation: 'Strict', ...query },
  });
}

/** Sends a request about objects of a namespace. The credentials may have been renewed since the last one. */
async function request<Schema extends z.ZodType>(
  { context, namespace }: Pick<JobPlace, 'context' | 'namespace'>,
  path: string,
  schema: Schema,
  options: ApiRequest = {},
): Promise<z.output<Schema>> {
  const group = path.startsWith('jobs') ? '/apis/batch/v1' : '/api/v1';
  const connection = await connect({ context });
  return callApi(connection, `${group}/namespaces/${namespace}/${path}`, schema, options);
}

async function readJob(job: JobId) {
  const place = placeOf(job);
  return request(place, `jobs/${place.name}`, jobSchema).catch((error: unknown) => {
    if (!isRefusedFor(error, 'NotFound')) throw error;
    return undefined;
  });
}

async function readPods(job: JobId) {
  const place = placeOf(job);
  const query = { labelSelector: `batch.kubernetes.io/job-name=${place.name}` };
  return (await request(place, 'pods', podListSchema, { query })).items;
}

/** An API server that does not answer is no news of the job: it can come back, and a next job could not be created meanwhile. */
async function lookAt(job: JobId): Promise<JobState> {
  let look = looks.get(job);
  if (look === undefined) {
    look = readOrWait(job);
    looks.set(job, look);
    setTimeout(() => looks.delete(job), LOOK_MILLISECONDS).unref();
  }
  return look;
}

/** A follower looks twice a second; Kubernetes is asked less often. */
const LOOK_MILLISECONDS = 1500;
const looks = new Map<JobId, Promise<JobState>>();

async function readOrWait(job: JobId): Promise<JobState> {
  try {
    return await readState(job);
  } catch (error) {
    // Such as the machine of somebody who looks at the runs.
    if (error instanceof NotConnected) return { phase: 'unknown' };
    if (!(error instanceof LauncherUnavailable) && !(error instanceof KubernetesRefused)) throw error;
    return { phase: 'queued', why: `nothing is known of the Kubernetes Job ${job}: ${error.message}` };
  }
}

async function readState(job: JobId): Promise<JobState> {
  const [found, pods] = [await readJob(job), await readPods(job)];
  // Kubernetes removes a finished Job after a day.
  if (found === undefined) return { phase: 'gone', message: `Kubernetes has no Job ${job}` };
  const place = placeOf(job);
  return jobState(found, pods, async (name) => {
    const query = { fieldSelector: `involvedObject.name=${name},type=Warning` };
    // Without the permission to read events only the reason of a wait is missing.
    const { items } = await request(place, 'events', eventListSchema, { query }).catch(() => ({ items: [] }));
    return items;
  });
}

/**
 * Kills the pods of a Job after a second, because the grace time of the template is for saving, and deletes the Job. The
 * pods come first: the deletion of a Job begins that time, and a kubelet does not shorten it.
 */
async function endJob(job: JobId): Promise<void> {
  const place = placeOf(job);
  const options = { method: 'DELETE' } as const;
  const ignoreMissing = (error: unknown) => {
    if (!isRefusedFor(error, 'NotFound')) throw error;
  };
  for (const { metadata } of await readPods(job))
    await request(place, `pods/${metadata.name}`, z.unknown(), {
      ...options,
      query: { gracePeriodSeconds: '1' },
    }).catch(ignoreMissing);
  // Foreground: the Job stays until its pods are gone.
  const query = { propagationPolicy: 'Foreground' };
  await request(place, `jobs/${place.name}`, z.unknown(), { ...options, query }).catch(ignoreMissing);
}

/** What the launcher needs beside the permission to create Jobs, which the attempt to create one tells. */
export const PERMISSIONS = [
  { verb: 'get', group: 'batch', resource: 'jobs' },
  { verb: 'delete', group: 'batch', resource: 'jobs' },
  { verb: 'list', group: '', resource: 'pods' },
  { verb: 'delete', group: '', resource: 'pods' },
  { verb: 'list', group: '', resource: 'events' },
] as const;

const reviewSchema = z.object({ status: z.object({ allowed: z.boolean() }) });

async function checkCluster({ settings, machine, ...check }: TrainerCheck<Settings>) {
  const { storeFolder, isStoreRemote } = check;
  const { context, nodes, processesPerNode } = settings;
  const connection = await connect({ context });
  const namespace = settings.namespace ?? connection.namespace;
  const problems: string[] = [];
  const folder = storeFolder ?? '/store';
  if (storeFolder !== undefined) problems.push(...[mountProblem(settings, storeFolder) ?? []].flat());
  if (isStoreRemote) problems.push(...[bucketProblem(settings) ?? []].flat());
  const files = { jobFile: join(folder, 'job.json'), logFile: join(folder, 'trainer.log') };
  const manifest = jobManifest(namespace, { settings, machine, token: 'check', ...files });
  // The server checks everything but creates nothing.
  await create(context, manifest, { dryRun: 'All' }).catch((error: Error) => problems.push(error.message));
  for (const attributes of PERMISSIONS) {
    const spec = { resourceAttributes: { namespace, ...attributes } };
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec };
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const { status } = await callApi(connection, path, reviewSchema, { method: 'POST', body });
    if (!status.allowed)
      problems.push(`Kubernetes does not allow to ${attributes.verb} ${attributes.resource} in ${namespace}`);
  }
  const quotas = await request({ context, namespace }, 'resourcequotas', quotaListSchema).catch(() => ({
    items: [],
  }));
  problems.push(...quotaProblems(quotas, settings));
  if (problems.length > 0) return { device: undefined, problems };
  const limits = Object.entries(trainerContainer(settings).resources?.limits ?? {});
  const devices = limits.map(([name, amount]) => `${amount} ${name}`).join(', ');
  const place = `pods of ${namespace} at ${connection.server}`;
  const each = devices === '' ? '' : ` with ${devices} each`;
  const device = `${nodes} x ${processesPerNode} processes in ${place}${each}`;
  return { device, problems: await checkpointProblems(machine, check) };
}
