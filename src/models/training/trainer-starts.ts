import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../../platform/atomic-write.ts';
import { listNames, statIfExists, withStorageErrors } from '../../platform/file-system.ts';
import { identifyProcess, type ProcessIdentity } from '../../platform/process-identity.ts';
import { readJsonIfExists } from '../../platform/read-json.ts';
import { latestClaim, tryClaim, unreadableClaimsMessage } from '../../store/claims.ts';
import { openObjectStore } from '../../store/drivers.ts';
import { exitSchema, leaseSchema, type TrainingExit, type TrainingJob } from './job.ts';
import type { JobId } from './launchers/launcher.ts';

/**
 * One start of a trainer: `starts/000003.json` claims it; `starts/TOKEN/` contains its `job.json`, the launched job
 * (`launch.json`) and when it began to run (`running.json`), both written by a follower, and how it ended (`exit.json`,
 * written by the trainer).
 */
export interface TrainerStart {
  readonly epoch: number;
  readonly token: string;
  /** The follower that claimed the start. */
  readonly launchedBy: ProcessIdentity;
  /** The kind of the launcher that made the start. */
  readonly launcher: string;
  /** Undefined until the job is launched. */
  readonly job: JobId | undefined;
  /**
   * Milliseconds since the epoch, by the clock of the folder's file system; undefined if the job is not known
   * to have run.
   */
  readonly runningSince: number | undefined;
  /**
   * Undefined if the trainer runs, or could not report how it ended. If it has several processes, some may
   * still run.
   */
  readonly exit: TrainingExit | undefined;
}

/** The content of a claim of a start. */
interface StartClaim {
  readonly token: string;
  readonly starter: ProcessIdentity;
  readonly launcher: string;
}

const STARTS = 'starts';
/** The trainer's output, in a training's folder. */
export const LOG_FILE = 'trainer.log';
const launchSchema = z.object({ job: z.string() });

/** The newest start in an output folder. */
export async function newestStart(outputFolder: string): Promise<TrainerStart | undefined> {
  const newest = await latestClaim<StartClaim>(openObjectStore(outputFolder), STARTS);
  if (newest?.holder === undefined) return undefined;
  const { token, starter, launcher } = newest.holder;
  const folder = startFolder(outputFolder, token);
  return {
    epoch: newest.epoch,
    token,
    launchedBy: starter,
    launcher,
    job: (await readJsonIfExists(join(folder, 'launch.json'), launchSchema))?.job,
    runningSince: await modifiedAt(join(folder, 'running.json')),
    exit: await exitOf(outputFolder, token),
  };
}

/** How a start ended according to its trainer; undefined if the trainer has not reported it. */
export async function exitOf(outputFolder: string, token: string): Promise<TrainingExit | undefined> {
  return readJsonIfExists(join(startFolder(outputFolder, token), 'exit.json'), exitSchema);
}

/** The seconds that each start ran, by its token. Includes only starts with an `exit.json`. */
export async function trainerSecondsByStart(outputFolder: string): Promise<Record<string, number>> {
  const seconds: Record<string, number> = {};
  for (const token of await startTokens(outputFolder)) {
    const folder = startFolder(outputFolder, token);
    const began =
      (await modifiedAt(join(folder, 'running.json'))) ?? (await modifiedAt(join(folder, 'launch.json')));
    const ended = await modifiedAt(join(folder, 'exit.json'));
    if (began !== undefined && ended !== undefined) seconds[token] = Math.max(0, (ended - began) / 1000);
  }
  return seconds;
}

/**
 * The seconds for which a start has run so far: until the last renewal of its trainer's lease, by the clock of the folder's file
 * system, which may differ from this machine's. 0 before the first renewal.
 */
export async function runningSeconds(
  outputFolder: string,
  { token, runningSince }: Pick<TrainerStart, 'token' | 'runningSince'>,
): Promise<number> {
  const file = join(outputFolder, 'lease.json');
  const lease = await readJsonIfExists(file, leaseSchema);
  const renewedAt = lease?.token === token ? await modifiedAt(file) : undefined;
  return Math.max(0, ((renewedAt ?? 0) - (runningSince ?? Infinity)) / 1000);
}

/** The tokens of all starts in an output folder, oldest first. */
export async function startTokens(outputFolder: string): Promise<string[]> {
  const folder = join(outputFolder, STARTS);
  const claims = (await listNames(folder)).filter((name) => /^\d+\.json$/.test(name)).sort();
  const tokens = await Promise.all(claims.map((name) => readJsonIfExists(join(folder, name), holderSchema)));
  return tokens.flatMap((holder) => holder?.token ?? []);
}

const holderSchema = z.object({ token: z.string() });

/**
 * Claims the right to start a trainer, and writes its job file. The claim fails if there is a newer start
 * than the newest one that the caller saw.
 * @returns the job file; undefined if another follower was faster
 */
export async function claimStart(
  after: TrainerStart | undefined,
  job: TrainingJob,
  token: string,
  launcher: string,
): Promise<string | undefined> {
  const folder = startFolder(job.outputFolder, token);
  const file = join(folder, 'job.json');
  await withStorageErrors(file, async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(file, `${JSON.stringify({ ...job, token }, undefined, 2)}\n`, { flush: true });
  });
  const holder = { token, starter: await identifyProcess(process.pid), launcher };
  const objects = openObjectStore(job.outputFolder);
  const newest = await latestClaim<StartClaim>(objects, STARTS);
  if (newest?.holder?.token !== after?.token) return undefined;
  if (newest?.unreadable !== undefined)
    await appendFile(
      join(job.outputFolder, LOG_FILE),
      `${new Date().toISOString()} ${unreadableClaimsMessage(newest.unreadable)}\n`,
    );
  return (await tryClaim(objects, STARTS, newest?.epoch ?? 0, holder)) ? file : undefined;
}

/** Records the launched job of a start for other followers. */
export async function recordLaunch(outputFolder: string, token: string, job: JobId): Promise<void> {
  await writeJson(outputFolder, token, 'launch.json', { job });
}

/** Records that a start's job runs: its GPU hours count from now on. */
export async function recordRunning(outputFolder: string, token: string): Promise<void> {
  await writeJson(outputFolder, token, 'running.json', {});
}

/** Records that a start ended before a trainer could report it. */
export async function recordExit(outputFolder: string, token: string, exit: TrainingExit): Promise<void> {
  await writeJson(outputFolder, token, 'exit.json', exit);
}

async function writeJson(outputFolder: string, token: string, name: string, value: unknown): Promise<void> {
  await writeFileAtomically(join(startFolder(outputFolder, token), name), `${JSON.stringify(value)}\n`);
}

/** The folder with the files of a start. */
export function startFolder(outputFolder: string, token: string): string {
  return join(outputFolder, STARTS, token);
}

async function modifiedAt(file: string): Promise<number | undefined> {
  return (await statIfExists(file))?.mtimeMs;
}
