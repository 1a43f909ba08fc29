import { z } from 'zod';
import { identifyProcess, type ProcessIdentity } from '../../platform/process-identity.ts';
import { latestClaim, tryClaim, unreadableClaimsMessage } from '../../store/claims.ts';
import { openBelow } from '../../store/drivers.ts';
import { appendText } from '../../store/objects/append-text.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { readJsonObject } from '../../store/objects/read-json-object.ts';
import { exitSchema, LEASE_FILE, leaseSchema, type TrainingExit, type TrainingJob } from './job.ts';
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
   * Milliseconds since the epoch, by the clock of the store; undefined if the job is not known to have run.
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
/** The trainer's output. */
export const LOG_FILE = 'trainer.log';
const launchSchema = z.object({ job: z.string() });

/** The newest start of a training. */
export async function newestStart(training: ObjectStore): Promise<TrainerStart | undefined> {
  const newest = await latestClaim<StartClaim>(training, STARTS);
  if (newest?.holder === undefined) return undefined;
  const { token, starter, launcher } = newest.holder;
  const prefix = startPrefix(token);
  const [launch, running, exit] = await Promise.all([
    readJsonObject(training, `${prefix}/launch.json`, launchSchema),
    training.head(`${prefix}/running.json`),
    exitOf(training, token),
  ]);
  return {
    epoch: newest.epoch,
    token,
    launchedBy: starter,
    launcher,
    job: launch?.job,
    runningSince: running?.modifiedAt.getTime(),
    exit,
  };
}

/** How a start ended according to its trainer; undefined if the trainer has not reported it. */
export async function exitOf(training: ObjectStore, token: string): Promise<TrainingExit | undefined> {
  return readJsonObject(training, `${startPrefix(token)}/exit.json`, exitSchema);
}

/** The seconds that each start ran, by its token. Includes only starts with an `exit.json`. */
export async function trainerSecondsByStart(training: ObjectStore): Promise<Record<string, number>> {
  const seconds: Record<string, number> = {};
  const tokens = await startTokens(training);
  if (tokens.length === 0) return seconds;
  const times = new Map(
    (await training.list(STARTS)).map(({ key, modifiedAt }) => [key, modifiedAt.getTime()]),
  );
  for (const token of tokens) {
    const timeOf = (name: string) => times.get(`${startPrefix(token)}/${name}`);
    const began = timeOf('running.json') ?? timeOf('launch.json');
    const ended = timeOf('exit.json');
    if (began !== undefined && ended !== undefined) seconds[token] = Math.max(0, (ended - began) / 1000);
  }
  return seconds;
}

/**
 * The seconds for which a start has run so far: until the last renewal of its trainer's lease, by the clock of the store, which
 * may differ from this machine's. 0 before the first renewal.
 */
export async function runningSeconds(
  training: ObjectStore,
  { token, runningSince }: Pick<TrainerStart, 'token' | 'runningSince'>,
): Promise<number> {
  const lease = await readJsonObject(training, LEASE_FILE, leaseSchema);
  const renewed = lease?.token === token ? await training.head(LEASE_FILE) : undefined;
  return Math.max(0, ((renewed?.modifiedAt.getTime() ?? 0) - (runningSince ?? Infinity)) / 1000);
}

/** The tokens of all starts of a training, oldest first. */
export async function startTokens(training: ObjectStore): Promise<string[]> {
  const names = (await training.children(STARTS)).map(({ name }) => name);
  const claims = names.filter((name) => /^\d+\.json$/.test(name));
  const tokens = await Promise.all(
    claims.map((name) => readJsonObject(training, `${STARTS}/${name}`, holderSchema)),
  );
  return tokens.flatMap((holder) => holder?.token ?? []);
}

const holderSchema = z.object({ token: z.string() });

export interface StartToClaim {
  readonly token: string;
  /** The newest start that the caller saw. */
  readonly after: TrainerStart | undefined;
  readonly job: TrainingJob;
  /** The kind of the launcher. */
  readonly launcher: string;
}

/**
 * Claims the right to start a trainer, and writes its job file. The claim fails if there is a newer start than the newest
 * one that the caller saw.
 * @returns the address of the job file; undefined if another follower was faster
 */
export async function claimStart(
  training: ObjectStore,
  { token, after, job, launcher }: StartToClaim,
): Promise<string | undefined> {
  const jobFile = `${startPrefix(token)}/job.json`;
  await training.put(jobFile, `${JSON.stringify({ ...job, token }, undefined, 2)}\n`);
  const holder = { token, starter: await identifyProcess(process.pid), launcher };
  const newest = await latestClaim<StartClaim>(training, STARTS);
  if (newest?.holder?.token !== after?.token) return undefined;
  if (newest?.unreadable !== undefined)
    await appendText(
      training,
      LOG_FILE,
      `${new Date().toISOString()} ${unreadableClaimsMessage(newest.unreadable)}\n`,
    );
  return (await tryClaim(training, STARTS, newest?.epoch ?? 0, holder))
    ? training.locate(jobFile)
    : undefined;
}

/** Records the launched job of a start for other followers. */
export async function recordLaunch(training: ObjectStore, token: string, job: JobId): Promise<void> {
  await putJson(training, token, 'launch.json', { job });
}

/** Records that a start's job runs: its GPU hours count from now on. */
export async function recordRunning(training: ObjectStore, token: string): Promise<void> {
  await putJson(training, token, 'running.json', {});
}

/** Records that a start ended before a trainer could report it. */
export async function recordExit(training: ObjectStore, token: string, exit: TrainingExit): Promise<void> {
  await putJson(training, token, 'exit.json', exit);
}

async function putJson(training: ObjectStore, token: string, name: string, value: unknown): Promise<void> {
  await training.put(`${startPrefix(token)}/${name}`, `${JSON.stringify(value)}\n`);
}

/** The files of a start, as a store of their own. */
export function startFiles(training: ObjectStore, token: string): ObjectStore {
  return openBelow(training, startPrefix(token));
}

/** The prefix of the files of a start. */
export function startPrefix(token: string): string {
  return `${STARTS}/${token}`;
}
