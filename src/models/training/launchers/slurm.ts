/**
 * Trainers as jobs of Slurm. Each start is a job with a name of its own that Slurm never starts again: the files in the
 * training's folder say how the training went, and Slurm only explains.
 */
import { z } from 'zod';
import {
  findSlurmJob,
  findSlurmPort,
  killSlurmJob,
  readSlurmJob,
  runSlurm,
  shellWord,
  type SlurmJob,
  SlurmUnavailable,
  submitSlurmJob,
} from '../../../platform/slurm.ts';
import { processEnvironment } from '../../../platform/process-environment.ts';
import { sbatchOptions, slurmOptionFields } from '../../../platform/slurm-options.ts';
import { bucketProblem } from './bucket-problem.ts';
import { checkpointProblems } from './check-trainer.ts';
import { launchParallelism } from './launch-parallelism.ts';
import {
  defineLauncher,
  type JobId,
  type JobState,
  LauncherUnavailable,
  type TrainerMachine,
} from './launcher.ts';
import { trainerArguments, trainerEnvironment } from './trainer-command.ts';

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
    ...slurmOptionFields,
    time: slurmOptionFields.time.describe(
      'The time limit of one job, such as `12:00:00`. A training that needs longer saves a checkpoint and goes on in a next job.',
    ),
    saveBeforeEndSeconds: z
      .int()
      .positive()
      .default(120)
      .describe('The time before the limit at which Slurm tells the trainer to save a checkpoint and end.'),
  })
  .describe('A job of Slurm.');

type Settings = z.output<typeof configuration>;

export const slurmLauncher = defineLauncher({
  configuration,

  async submit({ settings, machine, token, jobFile, files, logFile }) {
    const command = trainerArguments(settings.command, machine.python, jobFile);
    const script = batchScript(settings, machine.packageRoot, command);
    // For people; sbatch gets the text.
    await files.put('launch.sh', script);
    // A log on this machine is of no use to the nodes. The trainer uploads its own.
    const output = files.isRemote ? '/dev/null' : logFile;
    return orUnavailable(
      submitSlurmJob(
        [
          ...['--no-requeue', '--dependency=singleton'],
          ...[`--job-name=${jobName(token)}`, `--comment=${token}`],
          ...[`--output=${output}`, '--open-mode=append', `--chdir=${machine.packageRoot}`],
          ...userOptions(settings),
        ],
        jobEnvironment(machine),
        script,
      ),
    );
  },

  find: (token) => orUnavailable(findSlurmJob(jobName(token))),

  look: lookAt,

  async end(job) {
    if (job === undefined) return;
    try {
      await killSlurmJob(job);
    } catch (error) {
      // Slurm does not answer. The caller sees that the job is not gone, and tries again.
      if (!(error instanceof SlurmUnavailable)) throw error;
    }
  },

  async check({ settings, machine, isStoreRemote, ...check }) {
    const { command, nodes, tasksPerNode, gres, partition } = settings;
    // Reports placeholders of the command that have no value.
    trainerArguments(command, machine.python, 'job.json');
    const problem = isStoreRemote ? bucketProblem(settings) : undefined;
    if (problem !== undefined) return { device: undefined, problems: [problem] };
    try {
      const { said } = await runSlurm(
        ['sbatch', '--test-only', ...userOptions(settings), '--wrap=true'],
        jobEnvironment(machine),
      );
      const each = gres === null ? '' : ` with ${gres} each`;
      const where = partition === null ? 'Slurm' : `Slurm's partition ${partition}`;
      // Such as "sbatch: Job 7 to start at 2026-01-01T00:00:00 using 2 processors on nodes n1 in partition all".
      const { start, nodeList } =
        /to start at (?<start>\S+) .*on nodes (?<nodeList>\S+)/.exec(said)?.groups ?? {};
      const forecast =
        start === undefined ? '' : `; a job submitted now would start at ${start} on ${nodeList}`;
      const device = `${nodes} x ${tasksPerNode} tasks on nodes of ${where}${each}${forecast}`;
      return { device, problems: await checkpointProblems(machine, check) };
    } catch (error) {
      return { device: undefined, problems: [(error as Error).message] };
    }
  },

  async parallelism({ command, nodes, tasksPerNode }, packageRoot) {
    const each = await launchParallelism(command, packageRoot);
    return { ...each, devices: each.devices * nodes * tasksPerNode };
  },
});

function jobName(token: string): string {
  return `self-taught-evaluator-${token}`;
}

function userOptions(settings: Settings): string[] {
  const { nodes, tasksPerNode, saveBeforeEndSeconds } = settings;
  return [
    ...[`--nodes=${nodes}`, `--ntasks-per-node=${tasksPerNode}`, `--signal=TERM@${saveBeforeEndSeconds}`],
    ...sbatchOptions(settings),
  ];
}

/** What sbatch sees, and passes on to the job: the trainer's part of the worker's environment, and the cluster's address. */
function jobEnvironment(machine: TrainerMachine): Record<string, string> {
  return { ...processEnvironment(machine.environment, 'slurm'), ...trainerEnvironment(machine) };
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
          ...findSlurmPort('"$MASTER_ADDR" 127.0.0.1'),
          'export MASTER_PORT=$port',
        ];
  const task =
    nodes * tasksPerNode === 1
      ? ''
      : `bash -c 'export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID; exec "$@"' rank `;
  return [
    '#!/bin/bash',
    `cd ${shellWord(folder)} || exit 78`,
    ...ranks,
    `exec srun --kill-on-bad-exit=1 ${task}${command.map(shellWord).join(' ')}`,
    '',
  ].join('\n');
}

/** The trainer's exit code after a request to stop, with a checkpoint (trainer/__main__.py). */
const STOPPED_EXIT_CODE = 75;

/** A scheduler that does not answer is no news of the job: it can come back, and a next job could not be submitted meanwhile. */
async function lookAt(id: JobId): Promise<JobState> {
  let job: SlurmJob;
  try {
    job = await readSlurmJob(id);
  } catch (error) {
    if (!(error instanceof SlurmUnavailable)) throw error;
    return { phase: 'queued', why: `Slurm does not answer about its job ${id}: ${error.message}` };
  }
  if (job.phase !== 'gone' || job.end === undefined) return job;
  const { exitCode, hasTimeLimit, message } = job.end;
  // A trainer that Slurm's signal reached in time has saved a checkpoint, and its job is FAILED with the trainer's exit code.
  const isSavedAtLimit = hasTimeLimit && exitCode === STOPPED_EXIT_CODE;
  const reason = job.end.reason ?? (isSavedAtLimit ? 'time-limit' : undefined);
  return { phase: 'gone', exitCode, message, ...(reason === undefined ? {} : { reason }) };
}

/** Translates the error of a Slurm that does not answer to that of launchers. */
async function orUnavailable<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw error instanceof SlurmUnavailable ? new LauncherUnavailable(error.message) : error;
  }
}
