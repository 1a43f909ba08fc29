/** The commands of Slurm's client. Written for Slurm 22.05 and newer. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownEnvironment } from './process-environment.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Slurm does not answer, or refuses for now: a later attempt may succeed. */
export class SlurmUnavailable extends Error {
  override readonly name = 'SlurmUnavailable';
}

/** The state of a job as Slurm's controller describes it. */
export type SlurmJob =
  | { readonly phase: 'queued'; readonly why: string }
  /** `node` is the first of its nodes. */
  | { readonly phase: 'running'; readonly node: string }
  /** Slurm forgets a job some minutes after its end: then nothing else is known. */
  | { readonly phase: 'gone'; readonly end?: SlurmJobEnd };

export interface SlurmJobEnd {
  /** Undefined if the job ended by itself. */
  readonly reason: 'out-of-memory' | 'node-lost' | 'time-limit' | 'preempted' | 'cancelled' | undefined;
  readonly exitCode: number;
  readonly hasTimeLimit: boolean;
  readonly message: string;
}

/** Each state of a job that has not ended. */
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

const REASONS: Readonly<Record<string, SlurmJobEnd['reason']>> = {
  TIMEOUT: 'time-limit',
  DEADLINE: 'time-limit',
  NODE_FAIL: 'node-lost',
  BOOT_FAIL: 'node-lost',
  PREEMPTED: 'preempted',
  OUT_OF_MEMORY: 'out-of-memory',
  CANCELLED: 'cancelled',
};

/** @throws SlurmUnavailable if Slurm does not answer */
export async function readSlurmJob(job: string): Promise<SlurmJob> {
  let text: string;
  try {
    text = (await askSlurm(['scontrol', 'show', 'job', '--oneliner', job])).output;
  } catch (error) {
    if (isUnknownJob(error)) return { phase: 'gone' };
    throw error;
  }
  const field = (name: string) => new RegExp(String.raw`\b${name}=(\S+)`).exec(text)?.[1] ?? '';
  const state = field('JobState');
  const phase = UNFINISHED[state];
  if (phase === 'queued') return { phase, why: `Slurm job ${job} is ${state}: ${field('Reason')}` };
  if (phase === 'running') return { phase, node: field('BatchHost') };
  const [code = 0, signal = 0] = field('ExitCode').split(':').map(Number);
  // A job that used its grace time to end by itself is in no state of its own.
  const isPreempted = !['', 'None'].includes(field('PreemptTime'));
  return {
    phase: 'gone',
    end: {
      reason: REASONS[state] ?? (isPreempted ? 'preempted' : undefined),
      exitCode: signal > 0 ? 128 + signal : code,
      hasTimeLimit: field('TimeLimit') !== 'UNLIMITED',
      message: `Slurm job ${job} ended as ${state}, exit code ${field('ExitCode')}, on ${field('NodeList')}`,
    },
  };
}

/** The newest job of a name that Slurm still knows. */
export async function findSlurmJob(name: string): Promise<string | undefined> {
  const { output } = await askSlurm(['squeue', '-h', '-t', 'all', '-n', name, '-o', '%i']);
  return output.trim().split('\n').at(-1) || undefined;
}

/**
 * Submits a job.
 * @param sbatchArguments options, and the script's file unless `script` has its text
 * @param environment what sbatch sees, and passes on to the job; by default that of this process
 */
export async function submitSlurmJob(
  sbatchArguments: readonly string[],
  environment?: Environment,
  script?: string,
): Promise<string> {
  const { output } = await runSlurm(['sbatch', '--parsable', ...sbatchArguments], environment, script);
  // With several clusters the id is followed by the name of the cluster.
  return output.trim().split(';')[0] ?? '';
}

/** Cancels a job; Slurm ends it with SIGTERM, and some time later with SIGKILL. */
export async function cancelSlurmJob(job: string): Promise<void> {
  await askSlurm(['scancel', job]).catch(ignoreEndedJob);
}

/** Kills a job, or removes it from the queue, and returns when it is gone. */
export async function killSlurmJob(job: string): Promise<void> {
  await askSlurm(['scancel', '--signal=KILL', '--full', job]).catch(ignoreEndedJob);
  await cancelSlurmJob(job);
  while ((await readSlurmJob(job)).phase !== 'gone') await sleep(500);
}

/** What Slurm says while it can't be reached, or while a limit on submissions may still go away. */
const TEMPORARY =
  /unable to contact|timed out|connection refused|communication|temporarily|zero bytes|transport endpoint|authentication|munge|configuration source|submit limit|Max\w*(Job|Submit)\w*Limit|accounting\/QOS policy/i;

/**
 * Runs a command of Slurm.
 * @throws SlurmUnavailable if Slurm does not answer, or refuses for now; another Error with Slurm's own words otherwise
 */
export function runSlurm(
  [program = '', ...programArguments]: readonly string[],
  environment?: Environment,
  input?: string,
): Promise<{ readonly output: string; readonly said: string }> {
  return new Promise((resolve, reject) => {
    const options = { timeout: 60_000, ...(environment === undefined ? {} : { env: environment }) };
    const child = execFile(program, programArguments, options, (error, output, errors) => {
      const said = errors.trim().replaceAll(/\s*\n\s*/g, '; ');
      if (error === null) return resolve({ output, said });
      if (error.code === 'ENOENT')
        return reject(
          new Error(`there is no program ${program} on the PATH of the worker: install Slurm's client`),
        );
      const message = said || error.message;
      const isTemporary = error.killed === true || TEMPORARY.test(message);
      reject(isTemporary ? new SlurmUnavailable(message) : new Error(message));
    });
    if (input === undefined) return;
    // A program that ends before it has read its input says why.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** Runs a command of Slurm that starts nothing. */
function askSlurm(command: readonly string[]): ReturnType<typeof runSlurm> {
  return runSlurm(command, ownEnvironment('slurm'));
}

/**
 * Lines of a job's script that set `port` to one on which nothing listens. Jobs of a node have different ids, so that two that
 * start together do not find the same.
 * @param addresses the node's own, as words of the script
 */
export function findSlurmPort(addresses: string): string[] {
  return [
    'port=$((20000 + SLURM_JOB_ID % 10000))',
    'listens() { for address in ' +
      `${addresses}; do (exec 3<> "/dev/tcp/$address/$port") 2> /dev/null && return; done; return 1; }`,
    'while listens; do port=$((port + 1)); done',
  ];
}

/** A text as one word of a shell script. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function isUnknownJob(error: unknown): boolean {
  return error instanceof Error && /invalid job id/i.test(error.message);
}

function ignoreEndedJob(error: unknown): void {
  if (!isUnknownJob(error) && !(error instanceof Error && /already complet/i.test(error.message)))
    throw error;
}
