/**
 * The example of docs/architecture.md for one more launcher: a queue that runs one trainer at a time on this machine. As a
 * part of the product it is src/models/training/launchers/queue.ts and a line in registry.ts.
 */
import { z } from 'zod';
import { defineLauncher, type JobId } from '../../src/models/training/launchers/launcher.ts';
import { processLauncher } from '../../src/models/training/launchers/process.ts';

interface QueuedJob {
  readonly begin: () => Promise<JobId>;
  /** The job of the process launcher, once this one runs. */
  process?: JobId;
  isCancelled?: boolean;
}

/** By name. A scheduler would have them. */
const jobs = new Map<JobId, QueuedJob>();

export const queueLauncher = defineLauncher({
  configuration: z.strictObject({
    kind: z.literal('queue'),
    command: z.array(z.string().min(1)).min(1),
  }),
  submit({ settings: { command }, ...start }) {
    const begin = () => processLauncher.submit({ settings: { kind: 'process', command }, ...start });
    // The name follows from the token, so that the job can be found without a note of its id.
    const name = `trainer-${start.token}`;
    jobs.set(name, { begin });
    return Promise.resolve(name);
  },
  find: (token) => Promise.resolve(jobs.has(`trainer-${token}`) ? `trainer-${token}` : undefined),
  async look(name) {
    const job = jobs.get(name);
    if (job === undefined) return { phase: 'unknown' };
    if (job.process !== undefined) return processLauncher.look(job.process);
    return job.isCancelled
      ? { phase: 'gone', reason: 'cancelled' }
      : { phase: 'queued', why: 'another trainer runs' };
  },
  async end(name, trainer) {
    const job = name === undefined ? undefined : jobs.get(name);
    if (job === undefined) return;
    if (job.process !== undefined) return processLauncher.end(job.process, trainer);
    job.isCancelled = true;
  },
  check: ({ settings, ...check }) =>
    processLauncher.check({ settings: { kind: 'process', command: settings.command }, ...check }),
  parallelism: () => Promise.resolve({ devices: 1, sharded: false }),
});

/** Runs the jobs that wait. */
export async function runQueue(): Promise<void> {
  for (const job of jobs.values()) if (!job.isCancelled) job.process ??= await job.begin();
}
