/** The manifest of the Job of one start: the user's pod template with the trainer's command. */
import { dirname } from 'node:path';
import { z } from 'zod';
import { trainerArguments } from './trainer-command.ts';
import type { StartRequest } from './launcher.ts';

/** The container of the pod template that trains. */
export const CONTAINER = 'trainer';
const TOKEN_LABEL = 'self-taught-evaluator/token';
/** A finished Job and the output of its pods are kept for so long. */
const KEPT_SECONDS = 86_400;
/** The time in which a trainer whose pod is to leave its node saves a checkpoint. */
const SAVE_SECONDS = 600;

const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string().optional(),
  workingDir: z.string().optional(),
  env: z.array(z.looseObject({ name: z.string() })).default([]),
  resources: z
    .looseObject({
      limits: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
      requests: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
    })
    .optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).default([]),
});
const templateSchema = z.looseObject({
  metadata: z
    .looseObject({
      labels: z.record(z.string(), z.string()).default({}),
      annotations: z.record(z.string(), z.string()).default({}),
    })
    .prefault({}),
  spec: z.looseObject({
    containers: z.array(containerSchema),
    volumes: z.array(z.looseObject({ name: z.string() })).default([]),
  }),
});
export type PodTemplate = z.output<typeof templateSchema>;
type Container = z.output<typeof containerSchema>;

export const podTemplateField = z.record(z.string(), z.unknown()).superRefine((template, context) => {
  const { success, error, data } = templateSchema.safeParse(template);
  if (!success) {
    for (const { path, message } of error.issues) context.addIssue({ code: 'custom', path, message });
    return;
  }
  if (trainerOf(data)?.image === undefined) {
    const message = `needs a container with the name \`${CONTAINER}\` and an image`;
    context.addIssue({ code: 'custom', path: ['spec', 'containers'], message });
  }
});

export interface ManifestSettings {
  readonly command: readonly string[];
  readonly nodes: number;
  readonly processesPerNode: number;
  readonly python: string | null;
  readonly podTemplate: Readonly<Record<string, unknown>>;
}

/** The container that trains. */
export function trainerContainer({ podTemplate }: Pick<ManifestSettings, 'podTemplate'>): Container {
  return trainerOf(templateSchema.parse(podTemplate)) as Container;
}

function trainerOf({ spec }: PodTemplate): Container | undefined {
  return spec.containers.find(({ name }) => name === CONTAINER);
}

/** Why the pods would not see a folder of the worker; undefined if a volume is mounted there. */
export function mountProblem(settings: ManifestSettings, folder: string): string | undefined {
  const paths = trainerContainer(settings).volumeMounts.map(({ mountPath }) => mountPath);
  const isMounted = paths.some((path) => `${folder}/`.startsWith(path.endsWith('/') ? path : `${path}/`));
  if (isMounted) return undefined;
  const mounted = paths.length === 0 ? 'no volume at all' : `only ${paths.join(', ')}`;
  return `the container \`${CONTAINER}\` of launcher.podTemplate does not see ${folder}: mount the volume of the store at the same path as on the workers (it mounts ${mounted})`;
}

/** The name of a start's Job. With the number of a pod it is a valid host name. */
export function jobName(token: string): string {
  return `self-taught-evaluator-${token}`;
}

export function jobManifest(
  namespace: string,
  { settings, machine, token, jobFile, logFile }: Omit<StartRequest<ManifestSettings>, 'files'>,
) {
  const { nodes, podTemplate } = settings;
  const template = templateSchema.parse(podTemplate);
  const labels = {
    'app.kubernetes.io/name': 'self-taught-evaluator',
    'app.kubernetes.io/component': 'trainer',
    [TOKEN_LABEL]: token,
  };
  const annotations = { 'self-taught-evaluator/start': dirname(jobFile) };
  // Queues such as Kueue read the labels of the Job.
  const metadata = {
    labels: { ...template.metadata.labels, ...labels },
    annotations: { ...template.metadata.annotations, ...annotations },
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: jobName(token), namespace, ...metadata },
    spec: {
      completionMode: 'Indexed',
      completions: nodes,
      parallelism: nodes,
      // Each start is a Job of its own.
      backoffLimit: 0,
      // Without it a Job whose pod was preempted or evicted would not say so.
      podFailurePolicy: {
        rules: [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      },
      ttlSecondsAfterFinished: KEPT_SECONDS,
      template: {
        ...template,
        metadata: { ...template.metadata, ...metadata },
        spec: podSpec(template, settings, { machine, jobFile, logFile }),
      },
    },
  };
}

function podSpec(
  { spec }: PodTemplate,
  settings: ManifestSettings,
  start: Pick<StartRequest<unknown>, 'machine' | 'jobFile' | 'logFile'>,
) {
  const needsSharedMemory =
    settings.processesPerNode > 1 &&
    !trainerContainer(settings).volumeMounts.some(({ mountPath }) => mountPath === '/dev/shm');
  const withCommand = (container: Container) => ({
    terminationMessagePolicy: 'FallbackToLogsOnError',
    workingDir: start.machine.packageRoot,
    ...container,
    command: containerCommand(settings, start),
    args: [],
    env: environment(container, start.machine.packageRoot),
    volumeMounts: [
      ...container.volumeMounts,
      ...(needsSharedMemory ? [{ name: SHARED_MEMORY, mountPath: '/dev/shm' }] : []),
    ],
  });
  return {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: SAVE_SECONDS,
    ...spec,
    restartPolicy: 'Never',
    containers: spec.containers.map((container) =>
      container.name === CONTAINER ? withCommand(container) : container,
    ),
    volumes: [
      ...spec.volumes,
      ...(needsSharedMemory ? [{ name: SHARED_MEMORY, emptyDir: { medium: 'Memory' } }] : []),
    ],
  };
}

/** NCCL and PyTorch exchange data between the processes of a node there; a container has only 64 MB by default. */
const SHARED_MEMORY = 'self-taught-evaluator-shm';

function containerCommand(
  { command, nodes, processesPerNode, python }: ManifestSettings,
  { machine, jobFile, logFile }: Pick<StartRequest<unknown>, 'machine' | 'jobFile' | 'logFile'>,
): string[] {
  const interpreter = python ?? machine.python;
  return [
    ...[interpreter, '-m', 'trainer.launch_ranks', '--nodes', String(nodes)],
    ...['--processes', String(processesPerNode), '--start', dirname(jobFile), '--log', logFile, '--'],
    ...trainerArguments(command, interpreter, jobFile),
    // Kubernetes would replace `$(NAME)`.
  ].map((argument) => argument.replaceAll('$', '$$$$'));
}

/** Variables of the container. The worker's own are not passed on: anybody who may read Jobs could read them. */
function environment({ env, workingDir }: Container, packageRoot: string) {
  const own = [
    { name: 'PYTHONPATH', value: workingDir ?? packageRoot },
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
  ];
  return [...own.filter(({ name }) => !env.some((each) => each.name === name)), ...env];
}
