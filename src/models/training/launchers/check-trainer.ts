import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../../../platform/atomic-write.ts';
import { cacheFolder } from '../../../platform/cache-folder.ts';
import { withLock } from '../../../platform/file-lock.ts';
import type { TrainerCheck, TrainerMachine, TrainerReport } from './launcher.ts';
import { trainerEnvironment, trainerUses } from './trainer-command.ts';

const reportSchema = z.object({
  ok: z.boolean(),
  device: z.string().nullable(),
  problems: z.array(z.string()),
  /** Those of the packages too if all of them can be imported. */
  versions: z.record(z.string(), z.string()).default({}),
});
type Report = z.output<typeof reportSchema>;
type Check = Omit<TrainerCheck<unknown>, 'settings' | 'machine'> & {
  /** True if a training samples by vLLM. */
  readonly needsVllm?: boolean;
};

/** The time for which a passed check is trusted on this machine, in milliseconds. */
const CACHE_MILLISECONDS = 600_000;

/**
 * Checks on this machine whether a training could start: the Python packages, the trackers, and the base
 * checkpoint's configuration and tokenizer. Takes as long as importing the packages, about 3 s. All processes
 * of this machine trust a passed check for ten minutes, unless the base checkpoint or the trainer changes, and wait for the
 * one that is being made; each check has a file in the cache folder.
 */
export async function checkTrainer(machine: TrainerMachine, check: Check): Promise<TrainerReport> {
  const { python, packageRoot } = machine;
  const { baseCheckpoint, run } = check;
  const options = checkOptions(check);
  const env = environmentOf(machine, check);
  const stamps = [await fileStamps(baseCheckpoint), await fileStamps(join(packageRoot, 'trainer'))];
  const key = JSON.stringify([python, packageRoot, options, run, env, stamps]);
  const name = `${createHash('sha256').update(key).digest('hex')}.txt`;
  const cacheFile = join(cacheFolder(machine.environment, process.platform), 'trainer-checks', name);
  const cached = await cachedDevice(cacheFile);
  if (cached !== undefined) return { device: cached, problems: [] };
  return oneAtATime(cacheFile, check.signal, async () => {
    const made = await cachedDevice(cacheFile);
    if (made !== undefined) return { device: made, problems: [] };
    const report = await runCheck(machine, check);
    if (typeof report === 'string') return { device: undefined, problems: [report] };
    if (!report.ok) return { device: undefined, problems: report.problems };
    const device = report.device ?? 'unknown device';
    // If the cache can't be written, the next check only takes longer.
    await cacheDevice(cacheFile, device).catch(() => undefined);
    return { device, problems: [] };
  });
}

/** Runs a check while no other process makes the same one, if that can be known: if the cache can be written. */
async function oneAtATime<T>(
  cacheFile: string,
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T> {
  const folder = dirname(cacheFile);
  const canLock = await mkdir(folder, { recursive: true })
    .then(() => access(folder, constants.W_OK))
    .then(
      () => true,
      () => false,
    );
  if (!canLock) return run();
  return withLock(`${cacheFile}.lock`, run, signal === undefined ? {} : { signal });
}

/**
 * Finds the problems of the base checkpoint for a trainer that runs elsewhere, if this machine has the trainer's packages. Without
 * them nothing is known before the training itself checks the same.
 */
export async function checkpointProblems(machine: TrainerMachine, check: Check): Promise<readonly string[]> {
  if (check.baseCheckpoint === undefined) return [];
  const report = await runCheck(machine, { ...check, reportTo: [] });
  return typeof report === 'string' || report.versions['torch'] === undefined ? [] : report.problems;
}

/** The trainer's report, or why there is none. */
async function runCheck(machine: TrainerMachine, check: Check): Promise<Report | string> {
  const { python, packageRoot } = machine;
  const { run, signal } = check;
  const { error, stdout, stderr } = await execProgram(
    python,
    ['-m', 'trainer', '--check', ...checkOptions(check)],
    { cwd: packageRoot, env: environmentOf(machine, check), ...(signal === undefined ? {} : { signal }) },
    JSON.stringify(run ?? null),
  );
  const lastLine = stdout.trimEnd().split('\n').at(-1) ?? '';
  const report = reportSchema.safeParse(parseJson(lastLine));
  if (report.success) return report.data;
  const reason = stderr.trimEnd().split('\n').at(-1) || (error?.message ?? 'no report');
  return `${python} -m trainer --check in ${packageRoot} failed: ${reason}`;
}

function environmentOf(machine: TrainerMachine, { baseCheckpoint, reportTo }: Check): Record<string, string> {
  return trainerEnvironment({ ...machine, ...trainerUses(baseCheckpoint, reportTo) });
}

function checkOptions({ baseCheckpoint, trustRemoteCode, reportTo, run, needsVllm }: Check): string[] {
  return [
    ...(baseCheckpoint === undefined ? [] : ['--base-checkpoint', baseCheckpoint]),
    ...(trustRemoteCode ? ['--trust-remote-code'] : []),
    ...(reportTo.length === 0 ? [] : ['--report-to', ...reportTo]),
    ...(run === undefined ? [] : ['--run', '-']),
    ...(needsVllm === true ? ['--with-vllm'] : []),
  ];
}

/** The device that a recent check found. */
async function cachedDevice(file: string): Promise<string | undefined> {
  try {
    return isFresh(await stat(file)) ? await readFile(file, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

function isFresh({ mtimeMs }: { readonly mtimeMs: number }): boolean {
  return Math.abs(Date.now() - mtimeMs) < CACHE_MILLISECONDS;
}

/** Stores the result of a check, and removes outdated ones. */
async function cacheDevice(file: string, device: string): Promise<void> {
  const folder = dirname(file);
  await writeFileAtomically(file, device);
  for (const name of await readdir(folder)) {
    const other = join(folder, name);
    if (!isFresh(await stat(other))) await rm(other, { force: true });
  }
}

/** Size and time of each file below a folder; empty for a hub's id. */
async function fileStamps(checkpoint: string | undefined): Promise<string[]> {
  if (checkpoint === undefined || !existsSync(checkpoint)) return [];
  const names = (await readdir(checkpoint, { recursive: true })).sort();
  return Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(checkpoint, name));
      return `${name} ${size} ${mtimeMs}`;
    }),
  );
}

interface ProgramResult {
  readonly error: Error | null;
  readonly stdout: string;
  readonly stderr: string;
}

function execProgram(
  program: string,
  programArguments: string[],
  options: { cwd: string; env: Record<string, string>; signal?: AbortSignal },
  input: string,
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const child = execFile(program, programArguments, options, (error, stdout, stderr) =>
      resolve({ error, stdout, stderr }),
    );
    // A program that ends early breaks the pipe; its own words say why.
    child.stdin?.on('error', () => undefined).end(input);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
