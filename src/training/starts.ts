import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
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
  /** Undefined where the trainer runs, or had no time to say how it ended. */
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
