/** Trainers as processes on the worker's machine. Each leads a process group of its own and outlives the worker. */
import { z } from 'zod';
import { endOf, endProcessGroup, startDetached } from '../../../platform/process-group.ts';
import { processState, type ProcessIdentity } from '../../../platform/process-identity.ts';
import { checkTrainer } from './check-trainer.ts';
import { launchParallelism } from './launch-parallelism.ts';
import { defineLauncher, type JobId, type JobState } from './launcher.ts';
import { trainerArguments, trainerEnvironment } from './trainer-command.ts';

const configuration = z
  .strictObject({
    kind: z.literal('process').describe("A process on the machine of the run's worker with the role `gpu`."),
    command: z
      .array(z.string().min(1))
      .min(1)
      .describe('Program and arguments; `{python}` and `{job}` are filled in.'),
  })
  .describe('A process on the machine of a worker.');

/** Seconds that torchrun may take to end its workers: it kills them after 30. */
const LAUNCHER_GRACE_SECONDS = 40;

type End = Extract<JobState, { phase: 'gone' }>;

/** The ends of the processes that this process has started, by job. */
const ends = new Map<JobId, Promise<End>>();

export const processLauncher = defineLauncher({
  configuration,

  async submit({ settings: { command }, machine, jobFile, logFile, onEnd }) {
    const { identity, exited } = await startDetached({
      command: trainerArguments(command, machine.python, jobFile),
      folder: machine.packageRoot,
      environment: trainerEnvironment(machine),
      logFile,
    });
    const job = processJob(identity);
    const end = exited.then(({ code, signal }): End => {
      const exitCode = code ?? (signal === 'SIGTERM' ? 143 : 137);
      const message = signal === null ? `exit code ${exitCode}` : `killed by ${signal}`;
      return { phase: 'gone', exitCode, message };
    });
    ends.set(job, end);
    void end.then(() => onEnd?.());
    return job;
  },

  /** A process can't be found by a name; its lease reveals it. */
  find: () => Promise.resolve(undefined),

  async look(job) {
    const identity = processOfJob(job);
    const state = await processState(identity);
    if (state === 'remote') return { phase: 'unknown' };
    if (state === 'alive') return { phase: 'running' };
    return (await endOf(ends.get(job), 1000)) ?? { phase: 'gone' };
  },

  async end(job, trainer) {
    const launched = job === undefined ? undefined : processOfJob(job);
    if (launched !== undefined) {
      // The workers of torchrun have their own process groups, so only torchrun itself can end them all.
      const isAround = trainer !== undefined && trainer.pid !== launched.pid;
      await endProcessGroup(launched, isAround ? LAUNCHER_GRACE_SECONDS : 0);
    }
    if (trainer !== undefined) await endProcessGroup(trainer, 0);
  },

  async check({ settings, machine, ...check }) {
    // Reports placeholders of the command that have no value.
    trainerArguments(settings.command, machine.python, 'job.json');
    return checkTrainer(machine, check);
  },

  processOf: processOfJob,

  parallelism: ({ command }, packageRoot) => launchParallelism(command, packageRoot),
});

/** The job that identifies a process. */
export function processJob({ host, bootId, pidNamespace, pid, startTime }: ProcessIdentity): JobId {
  return [host, bootId, pidNamespace ?? '-', pid, startTime].join(' ');
}

/** The start time comes last, because some systems write it with spaces. */
function processOfJob(job: JobId): ProcessIdentity {
  const [host = '', bootId = '', pidNamespace = '-', pid, ...startTime] = job.split(' ');
  const namespace = pidNamespace === '-' ? {} : { pidNamespace };
  return { host, bootId, ...namespace, pid: Number(pid), startTime: startTime.join(' ') };
}
