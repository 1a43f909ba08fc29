/**
 * Trainers as jobs of Slurm. Each start is a job with a name of its own that Slurm never starts again: the files in the
 * training's folder say how the training went, and Slurm only explains. Written for Slurm 22.05 and newer.
 */
import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { launchParallelism } from './launch-parallelism.ts';
import { defineLauncher, type JobId, type JobState, LauncherUnavailable } from './launcher.ts';
import { trainerArguments, trainerEnvironment } from './trainer-command.ts';

/** A value of an option of sbatch, which becomes one argument of the form `--name=value`. */
const optionValue = z.string().min(1);

const configuration = z
  .strictObject({
    kind: z.literal('slurm').describe('A job of Slurm, submitted by a worker with the role `gpu`.'),
    command: z
      .array(z.string().min(1))
      .min(1)
      .default(['{python}', '-m', 'trainer', '--job', '{job}'])
      .describe(
        'Program and arguments of each task; `{python}` and `{job}` are filled in. Its variables RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT are set, so it needs no torchrun.',
      ),
    nodes: z.int().positive().default(1).describe('The number of nodes.'),
    tasksPerNode: z
      .int()
      .positive()
      .default(1)
      .describe('The number of trainer processes on each node, one for each GPU.'),
    partition: optionValue
      .nullable()
      .default(null)
      .describe('The partition; null: the default of the cluster.'),
    account: optionValue.nullable().default(null).describe('The account that the job is charged to.'),
    qos: optionValue.nullable().default(null).describe('The quality of service.'),
    gres: optionValue.nullable().default(null).describe('The devices of each node, such as `gpu:8`.'),
    time: optionValue
      .nullable()
      .default(null)
      .describe(
        'The time limit of one job, such as `12:00:00`. A training that needs longer saves a checkpoint and goes on in a next job.',
      ),
    saveBeforeEndSeconds: z
      .int()
      .positive()
      .default(120)
      .describe('The time before the limit at which Slurm tells the trainer to save a checkpoint and end.'),
    options: z
      .array(z.string().startsWith('-'))
      .default([])
      .describe('More options of sbatch, such as `--constraint=h100`.'),
  })
  .describe('A job of Slurm.');

type Settings = z.output<typeof configuration>;

export const slurmLauncher = defineLauncher({
  configuration,

  async submit({ settings, machine, token, jobFile, logFile }) {
    const script = join(dirname(jobFile), 'launch.sh');
    const command = trainerArguments(settings.command, machine.python, jobFile);
    await writeFile(script, batchScript(settings, machine.packageRoot, command));
    await chmod(script, 0o755);
    const { output } = await slurm(
      [
        ...['sbatch', '--parsable', '--no-requeue', '--dependency=singleton'],
        ...[`--job-name=${jobName(token)}`, `--comment=${token}`],
        ...[`--output=${logFile}`, '--open-mode=append', `--chdir=${machine.packageRoot}`],
        ...userOptions(settings),
        script,
      ],
      jobEnvironment(machine),
    );
    // With several clusters the id is followed by the name of the cluster.
    return output.trim().split(';')[0] as JobId;
  },

  async find(token) {
    const { output } = await slurm(['squeue', '-h', '-t', 'all', '-n', jobName(token), '-o', '%i']);
    return output.trim().split('\n').at(-1) || undefined;
  },

  look: lookAt,

  async end(job) {
    if (job === undefined) return;
    try {
      await slurm(['scancel', '--signal=KILL', '--full', job]).catch(ignoreEndedJob);
      await slurm(['scancel', job]).catch(ignoreEndedJob);
      while (isAround(await readJob(job))) await sleep(500);
    } catch (error) {
      // Slurm does not answer. The caller sees that the job is not gone, and tries again.
      if (!(error instanceof LauncherUnavailable)) throw error;
    }
  },

  async check({ settings, machine }) {
    const { command, nodes, tasksPerNode, gres, partition } = settings;
    // Reports placeholders of the command that have no value.
    trainerArguments(command, machine.python, 'job.json');
    try {
      await slurm(
        ['sbatch', '--test-only', ...userOptions(settings), '--wrap=true'],
        jobEnvironment(machine),
      );
    } catch (error) {
      return { device: undefined, problems: [(error as Error).message] };
    }
    const where = partition === null ? 'Slurm' : `Slurm's partition ${partition}`;
    const devices = gres === null ? '' : ` with ${gres} each`;
    return { device: `${nodes} x ${tasksPerNode} tasks on nodes of ${where}${devices}`, problems: [] };
  },

  async parallelism({ command, nodes, tasksPerNode }, packageRoot) {
    const { devices, sharded } = await launchParallelism(command, packageRoot);
    return { devices: devices * nodes * tasksPerNode, sharded };
  },
});

function jobName(token: string): string {
  return `self-taught-evaluator-${token}`;
}

function userOptions(settings: Settings): string[] {
  const { nodes, tasksPerNode, saveBeforeEndSeconds, options } = settings;
  const named = (['partition', 'account', 'qos', 'gres', 'time'] as const).flatMap((name) =>
    settings[name] === null ? [] : [`--${name}=${settings[name]}`],
  );
  return [
    ...[`--nodes=${nodes}`, `--ntasks-per-node=${tasksPerNode}`, `--signal=TERM@${saveBeforeEndSeconds}`],
    ...named,
    ...options,
  ];
}

/** What sbatch sees, and passes on to the job: the trainer's part of the worker's environment, and the cluster's address. */
function jobEnvironment(machine: Parameters<typeof trainerEnvironment>[0]): Record<string, string> {
  const cluster = Object.entries(machine.environment).filter(
    (entry): entry is [string, string] => /^(SLURM|SBATCH|MUNGE)_/.test(entry[0]) && entry[1] !== undefined,
  );
  return { ...trainerEnvironment(machine), ...Object.fromEntries(cluster) };
}

/**
 * The batch script. srun is its last program, by exec, so that a signal of Slurm reaches the tasks and the exit code of
 * the trainer becomes that of the job.
 */
function batchScript({ nodes, tasksPerNode }: Settings, folder: string, command: readonly string[]): string {
  const ranks =
    nodes * tasksPerNode === 1
      ? []
      : [
          'export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
          'export MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))',
        ];
  const task =
    nodes * tasksPerNode === 1
      ? ''
      : `bash -c 'export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID; exec "$@"' rank `;
  return [
    '#!/bin/bash',
    `cd ${quoted(folder)} || exit 78`,
    ...ranks,
    `exec srun --kill-on-bad-exit=1 ${task}${command.map(quoted).join(' ')}`,
    '',
  ].join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The trainer's exit code after a request to stop, with a checkpoint (trainer/__main__.py). */
const STOPPED_EXIT_CODE = 75;

/** A job in each state of Slurm that has not ended. */
const UNFINISHED: Readonly<Record<string, 'queued' | 'running'>> = {
  PENDING: 'queued',
  CONFIGURING: 'queued',
  REQUEUED: 'queued',
  // Its processes are stopped and make no progress until Slurm resumes them.
  SUSPENDED: 'queued',
  STOPPED: 'queued',
  RUNNING: 'running',
  COMPLETING: 'running',
  SIGNALING: 'running',
  STAGE_OUT: 'running',
  RESIZING: 'running',
};

const REASONS: Readonly<Record<string, NonNullable<Extract<JobState, { phase: 'gone' }>['reason']>>> = {
  TIMEOUT: 'time-limit',
  DEADLINE: 'time-limit',
  NODE_FAIL: 'node-lost',
  BOOT_FAIL: 'node-lost',
  PREEMPTED: 'preempted',
  OUT_OF_MEMORY: 'out-of-memory',
  CANCELLED: 'cancelled',
};

/** A scheduler that does not answer is no news of the job: it can come back, and a next job could not be submitted meanwhile. */
async function lookAt(job: JobId): Promise<JobState> {
  try {
    return await readJob(job);
  } catch (error) {
    if (!(error instanceof LauncherUnavailable)) throw error;
    return { phase: 'queued', why: `Slurm does not answer about its job ${job}: ${error.message}` };
  }
}

/** @throws LauncherUnavailable if Slurm does not answer */
async function readJob(job: JobId): Promise<JobState> {
  let output: string;
  try {
    ({ output } = await slurm(['scontrol', 'show', 'job', '--oneliner', job]));
  } catch (error) {
    // Slurm forgets a job some minutes after its end.
    if (isUnknownJob(error)) return { phase: 'gone' };
    throw error;
  }
  const field = (name: string) => new RegExp(String.raw`\b${name}=(\S+)`).exec(output)?.[1] ?? '';
  const state = field('JobState');
  const phase = UNFINISHED[state];
  if (phase === 'queued') return { phase, why: `Slurm job ${job} is ${state}: ${field('Reason')}` };
  if (phase === 'running') return { phase };
  const [code = 0, signal = 0] = field('ExitCode').split(':').map(Number);
  // A trainer that Slurm's signal reached in time has saved a checkpoint, and its job is FAILED with the trainer's exit code.
  const isSavedAtLimit = code === STOPPED_EXIT_CODE && field('TimeLimit') !== 'UNLIMITED';
  // A job that used its grace time to end by itself is in no state of its own.
  const isPreempted = !['', 'None'].includes(field('PreemptTime'));
  const reason = REASONS[state] ?? (isPreempted ? 'preempted' : isSavedAtLimit ? 'time-limit' : undefined);
  return {
    phase: 'gone',
    ...(reason === undefined ? {} : { reason }),
    exitCode: signal > 0 ? 128 + signal : code,
    message: `Slurm job ${job} ended as ${state}, exit code ${field('ExitCode')}, on ${field('NodeList')}`,
  };
}

function isAround({ phase }: JobState): boolean {
  return phase === 'queued' || phase === 'running';
}

/** What Slurm says while it can't be reached, or while a limit on submissions may still go away. */
const TEMPORARY =
  /unable to contact|timed out|connection refused|communication|temporarily|zero bytes|transport endpoint|authentication|munge|configuration source|submit limit|Max\w*(Job|Submit)\w*Limit|accounting\/QOS policy/i;

/**
 * Runs a command of Slurm.
 * @throws LauncherUnavailable if Slurm does not answer, or refuses for now; another Error with Slurm's own words otherwise
 */
function slurm(
  [program = '', ...programArguments]: readonly string[],
  environment?: Record<string, string>,
): Promise<{ readonly output: string }> {
  return new Promise((resolve, reject) => {
    const options = { timeout: 60_000, ...(environment === undefined ? {} : { env: environment }) };
    execFile(program, programArguments, options, (error, output, errors) => {
      if (error === null) return resolve({ output });
      const said = errors.trim().replaceAll(/\s*\n\s*/g, '; ') || error.message;
      if (error.code === 'ENOENT')
        return reject(
          new Error(`there is no program ${program} on the PATH of the worker: install Slurm's client`),
        );
      const isTemporary = error.killed === true || TEMPORARY.test(said);
      reject(isTemporary ? new LauncherUnavailable(said) : new Error(said));
    });
  });
}

function isUnknownJob(error: unknown): boolean {
  return error instanceof Error && /invalid job id/i.test(error.message);
}

function ignoreEndedJob(error: unknown): void {
  if (!isUnknownJob(error) && !(error instanceof Error && /already complet/i.test(error.message)))
    throw error;
}
