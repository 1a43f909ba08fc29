import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { claim, newestClaim } from '../artifacts/claim.ts';
import { readTextIfThere } from '../artifacts/on-disk.ts';
import { identifyProcess, type ProcessIdentity } from '../processes/identity.ts';
import { exitSchema, type TrainingExit, type TrainingJob } from './job.ts';

/**
 * One start of a trainer: `starts/000003.json` claims it, `starts/TOKEN/` holds its `job.json`, the launched process
 * (`process.json`, written by the launching side) and how it ended (`exit.json`, written by the trainer).
 */
export interface Start {
  readonly epoch: number;
  readonly token: string;
  /** The follower that claimed it. */
  readonly starter: ProcessIdentity;
  /** The launched process: the trainer, or a launcher such as torchrun. Undefined where it isn't launched yet. */
  readonly process: ProcessIdentity | undefined;
  /** When it was launched, in milliseconds since the epoch, by the clock of the folder. Undefined like `process`. */
  readonly startedAt: number | undefined;
  /** Undefined where the trainer runs, or had no time to say how it ended. Where it has several processes, some may still run. */
  readonly exit: TrainingExit | undefined;
}

const processSchema = z.object({
  pid: z.int().positive(),
  startTime: z.string(),
  bootId: z.string(),
  host: z.string(),
});

/** The newest start in an output folder. */
export async function newestStart(outputFolder: string): Promise<Start | undefined> {
  const newest = await newestClaim<{ token: string; starter: ProcessIdentity }>(join(outputFolder, 'starts'));
  if (newest === undefined) return undefined;
  const { token, starter } = newest.holder;
  const folder = startFolder(outputFolder, token);
  return {
    epoch: newest.epoch,
    token,
    starter,
    process: await readIfThere(join(folder, 'process.json'), processSchema),
    startedAt: await writtenAt(join(folder, 'process.json')),
    exit: await readIfThere(join(folder, 'exit.json'), exitSchema),
  };
}

/** How long each start that has said how it ended was at work, in seconds, by its token. */
export async function trainerSeconds(outputFolder: string): Promise<Record<string, number>> {
  const seconds: Record<string, number> = {};
  for (const token of await startTokens(outputFolder)) {
    const folder = startFolder(outputFolder, token);
    const began = await writtenAt(join(folder, 'process.json'));
    const ended = await writtenAt(join(folder, 'exit.json'));
    if (began !== undefined && ended !== undefined) seconds[token] = Math.max(0, (ended - began) / 1000);
  }
  return seconds;
}

/** The tokens of all starts in an output folder, the oldest first. */
export async function startTokens(outputFolder: string): Promise<string[]> {
  const folder = join(outputFolder, 'starts');
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const claims = names.filter((name) => /^\d+\.json$/.test(name)).sort();
  const tokens = await Promise.all(claims.map((name) => readIfThere(join(folder, name), holderSchema)));
  return tokens.flatMap((holder) => holder?.token ?? []);
}

const holderSchema = z.object({ token: z.string() });

/**
 * Claims the right to start a trainer, fenced by the newest start that the caller saw, and writes its job file.
 * @returns the job file, or undefined where another follower was quicker.
 */
export async function claimStart(
  after: Start | undefined,
  job: TrainingJob,
  token: string,
): Promise<string | undefined> {
  const folder = startFolder(job.outputFolder, token);
  const file = join(folder, 'job.json');
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify({ ...job, token }, undefined, 2)}\n`, { flush: true });
  const holder = { token, starter: await identifyProcess(process.pid) };
  return (await claim(join(job.outputFolder, 'starts'), after?.epoch ?? 0, holder)) ? file : undefined;
}

/** Notes which process a start has launched, for followers that aren't its parent. */
export async function noteProcess(
  outputFolder: string,
  token: string,
  identity: ProcessIdentity,
): Promise<void> {
  await writeWhole(join(startFolder(outputFolder, token), 'process.json'), identity);
}

/** Notes that a start ended before there was a trainer to say so. */
export async function noteExit(outputFolder: string, token: string, exit: TrainingExit): Promise<void> {
  await writeWhole(join(startFolder(outputFolder, token), 'exit.json'), exit);
}

/** Where what is known of a start is kept. */
export function startFolder(outputFolder: string, token: string): string {
  return join(outputFolder, 'starts', token);
}

/** In milliseconds since the epoch; undefined where there is no such file. */
async function writtenAt(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a small file in one go. */
export async function writeWhole(file: string, value: unknown): Promise<void> {
  await writeFile(`${file}.partial`, `${JSON.stringify(value)}\n`, { flush: true });
  await rename(`${file}.partial`, file);
}

/** @throws Error where the file is there but not what it should be: it is written whole, so something is wrong. */
export async function readIfThere<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${file} can't be read: ${String(error).replaceAll(/\s+/g, ' ')}`, { cause: error });
  }
}
