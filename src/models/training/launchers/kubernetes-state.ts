/** Reads from a Job, its pods and their events what a training's job does, in Kubernetes' own words. */
import { z } from 'zod';
import type { GoneReason, JobState } from './launcher.ts';
import { CONTAINER } from './kubernetes-manifest.ts';

const text = z.string().nullish();
const metadata = z.object({ name: z.string(), deletionTimestamp: text });
const conditionSchema = z.object({ type: z.string(), status: z.string(), reason: text, message: text });
const conditions = z.array(conditionSchema).nullish();

export const jobSchema = z.object({
  metadata,
  spec: z.object({ suspend: z.boolean().nullish(), completions: z.number().nullish() }),
  status: z.object({ conditions }).nullish(),
});
export type Job = z.output<typeof jobSchema>;

const waitingSchema = z.object({ reason: text, message: text });
const terminatedSchema = z.object({ exitCode: z.number(), reason: text, message: text, finishedAt: text });
const podSchema = z.object({
  metadata,
  spec: z.object({ nodeName: text }),
  status: z.object({
    phase: text,
    reason: text,
    message: text,
    conditions,
    initContainerStatuses: z
      .array(z.object({ state: z.object({ waiting: waitingSchema.nullish() }) }))
      .nullish(),
    containerStatuses: z
      .array(
        z.object({
          name: z.string(),
          state: z.object({ waiting: waitingSchema.nullish(), terminated: terminatedSchema.nullish() }),
        }),
      )
      .nullish(),
  }),
});
export const podListSchema = z.object({ items: z.array(podSchema) });
export type Pod = z.output<typeof podSchema>;

const eventSchema = z.object({ reason: text, message: text, lastTimestamp: text, eventTime: text });
export const eventListSchema = z.object({ items: z.array(eventSchema) });
export type KubernetesEvent = z.output<typeof eventSchema>;

type Gone = Extract<JobState, { phase: 'gone' }>;

/**
 * @param warningsOf returns the warnings about an object; called only if nothing else says why it waits
 */
export async function jobState(
  job: Job,
  pods: readonly Pod[],
  warningsOf: (name: string) => Promise<readonly KubernetesEvent[]>,
): Promise<JobState> {
  const { name } = job.metadata;
  const end = endOf(job, pods);
  if (end !== undefined) return end;
  if (job.spec.suspend === true) {
    const why = sentence(conditionOf(job.status?.conditions, 'Suspended'));
    return { phase: 'queued', why: `the Kubernetes Job ${name} is suspended${why && `: ${why}`}` };
  }
  const missing = pods.length < (job.spec.completions ?? 1);
  const pending = pods.find(({ status }) => status.phase === 'Pending');
  if (pending !== undefined) return { phase: 'queued', why: await whyPending(pending, warningsOf) };
  if (missing) {
    const warning = lastWarning(await warningsOf(name));
    return { phase: 'queued', why: warning ?? `Kubernetes creates the pods of the Job ${name}` };
  }
  // Kubernetes marks the pods of a node that it no longer hears of as not ready. The trainer there may still run.
  const isLost = pods.some(
    (pod) => !isEnded(pod) && conditionOf(pod.status.conditions, 'Ready')?.status === 'False',
  );
  return { phase: isLost ? 'unknown' : 'running' };
}

/** How a Job ended; undefined if a part of it may still run. */
function endOf(job: Job, pods: readonly Pod[]): Gone | undefined {
  const { status } = job;
  const failed = conditionOf(status?.conditions, 'Failed');
  const isFinished = failed !== undefined || conditionOf(status?.conditions, 'Complete') !== undefined;
  // The Job itself can be late, or wait for the controller of Jobs.
  const haveEnded = pods.length > 0 && pods.length >= (job.spec.completions ?? 1) && pods.every(isEnded);
  const isDeleted = Boolean(job.metadata.deletionTimestamp) && pods.every(isEnded);
  const failing = failed ?? conditionOf(status?.conditions, 'FailureTarget');
  const isEmptied = failing !== undefined && pods.every(isEnded);
  if (!isFinished && !haveEnded && !isDeleted && !isEmptied) return undefined;
  const firstFailure = pods
    .filter(({ status: { phase } }) => phase === 'Failed')
    .sort((first, second) => finishedAt(first).localeCompare(finishedAt(second)))
    .find((pod) => trainerEnd(pod)?.exitCode !== 0);
  const end = firstFailure === undefined ? {} : podEnd(firstFailure);
  const reason = end.reason ?? jobReason(failing, firstFailure === undefined);
  const said = [end.message, failing === undefined ? '' : sentence(failing)].filter(Boolean).join('; ');
  const exitCode = firstFailure === undefined && failing === undefined && !isDeleted ? 0 : end.exitCode;
  return {
    phase: 'gone',
    ...(reason === undefined ? {} : { reason }),
    ...(isDeleted && reason === undefined ? { reason: 'cancelled' } : {}),
    ...(exitCode === undefined ? {} : { exitCode }),
    message: `the Kubernetes Job ${job.metadata.name} ended${said === '' ? '' : `: ${said}`}`,
  };
}

/** The reason that only the Job knows, because its pods may be deleted. */
function jobReason(failing: Condition | undefined, isWithoutPod: boolean): GoneReason | undefined {
  if (failing?.reason === 'DeadlineExceeded') return 'time-limit';
  // The only rule of the policy is about disruptions (manifest.ts).
  if (failing?.reason === 'PodFailurePolicy' && isWithoutPod) return 'preempted';
  return undefined;
}

/** Containers that could not be started: their command or a mount is invalid. */
const UNSTARTABLE = ['StartError', 'ContainerCannotRun'];

function podEnd(pod: Pod): Pick<Gone, 'reason' | 'exitCode' | 'message'> {
  const { status, spec, metadata: about } = pod;
  const end = trainerEnd(pod);
  const exitCode = UNSTARTABLE.includes(end?.reason ?? '') ? CONFIGURATION_EXIT_CODE : end?.exitCode;
  const reason = podReason(pod);
  const words = [
    status.reason ? sentence(status) : '',
    sentence(conditionOf(status.conditions, 'DisruptionTarget')),
    end === undefined
      ? ''
      : `${end.reason ?? 'Error'}, exit code ${end.exitCode}${lastLine(end.message, ': ')}`,
  ].filter(Boolean);
  const place = spec.nodeName ? ` on ${spec.nodeName}` : '';
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(exitCode === undefined ? {} : { exitCode }),
    message: `its pod ${about.name}${place}: ${words.join('; ')}`,
  };
}

/** The configuration is unusable (trainer/errors.py): another try would fail in the same way. */
const CONFIGURATION_EXIT_CODE = 78;

function podReason(pod: Pod): GoneReason | undefined {
  const { status } = pod;
  if (trainerEnd(pod)?.reason === 'OOMKilled') return 'out-of-memory';
  if (status.reason === 'DeadlineExceeded') return 'time-limit';
  // The pod was evicted because the node ran out of memory or disk, which may well be the training's own doing.
  if (status.reason === 'Evicted') return undefined;
  const disruption = conditionOf(status.conditions, 'DisruptionTarget');
  if (status.reason === 'NodeLost' || disruption?.reason === 'DeletionByPodGC') return 'node-lost';
  return disruption === undefined ? undefined : 'preempted';
}

async function whyPending(
  pod: Pod,
  warningsOf: (name: string) => Promise<readonly KubernetesEvent[]>,
): Promise<string> {
  const { status, metadata: about } = pod;
  const scheduled = (status.conditions ?? []).find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') return `the pod ${about.name} waits: ${sentence(scheduled)}`;
  const waiting = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
    .map(({ state }) => state.waiting)
    .find((each) => each?.reason && !STARTING.includes(each.reason));
  if (waiting) return `the pod ${about.name} can't start: ${sentence(waiting)}`;
  // It was scheduled since.
  const warnings = (await warningsOf(about.name)).filter(({ reason }) => reason !== 'FailedScheduling');
  const warning = lastWarning(warnings);
  return warning === undefined
    ? `Kubernetes starts the pod ${about.name}`
    : `the pod ${about.name} can't start: ${warning}`;
}

const STARTING = ['ContainerCreating', 'PodInitializing'];

function lastWarning(events: readonly KubernetesEvent[]): string | undefined {
  const at = ({ lastTimestamp, eventTime }: KubernetesEvent) => lastTimestamp ?? eventTime ?? '';
  const [last] = events.toSorted((first, second) => at(second).localeCompare(at(first)));
  return last === undefined ? undefined : sentence(last);
}

type Condition = z.output<typeof conditionSchema>;

/** The condition of a type, if it is true; `Ready` also if it is not. */
function conditionOf(list: z.output<typeof conditions>, type: string): Condition | undefined {
  return (list ?? []).find((each) => each.type === type && (each.status === 'True' || type === 'Ready'));
}

function isEnded({ status: { phase } }: Pod): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

function trainerEnd({ status }: Pod) {
  return status.containerStatuses?.find(({ name }) => name === CONTAINER)?.state.terminated ?? undefined;
}

function finishedAt(pod: Pod): string {
  return trainerEnd(pod)?.finishedAt ?? '';
}

function sentence(said: z.output<typeof waitingSchema> | undefined): string {
  return [said?.reason, inOneLine(said?.message)].filter(Boolean).join(': ');
}

function inOneLine(words: string | null | undefined): string {
  return (words ?? '').trim().replaceAll(/\s*\n\s*/g, ' | ');
}

/** The last line of a container's output, with something before it. */
function lastLine(words: string | null | undefined, before: string): string {
  const line = (words ?? '').trimEnd().split('\n').at(-1)?.trim();
  return line ? `${before}${line}` : '';
}
