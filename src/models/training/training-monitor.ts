import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fieldDifferences } from '../../platform/field-differences.ts';
import { fileSha256 } from '../../platform/file-hashes.ts';
import { processState } from '../../platform/process-identity.ts';
import { readJsonIfExists } from '../../platform/read-json.ts';
import { statIfExists } from '../../platform/file-system.ts';
import { TrainingFailedPermanently } from './errors.ts';
import {
  PROGRESS_FILE,
  lastProgress,
  leaseSchema,
  type TrainingJob,
  type TrainingLease,
  type TrainingProgress,
  type TrainingResult,
} from './job.ts';
import { LauncherUnavailable, type JobId, type JobState, type Launcher } from './launchers/launcher.ts';
import { launcherOfStart } from './launcher-of-start.ts';
import { readTrainingResult } from './model-integrity.ts';
import { StartSilence } from './start-silence.ts';
import { exitOf, LOG_FILE, newestStart, startFolder, type TrainerStart } from './trainer-starts.ts';

/**
 * The state of a training according to its files, and then to its launcher. With a result it is done, even if
 * the launcher reports otherwise.
 */
export type TrainingState =
  | { readonly kind: 'done'; readonly result: TrainingResult }
  | {
      readonly kind: 'training';
      readonly lease: TrainingLease;
      readonly start: TrainerStart | undefined;
      /** Whether the trainer can't be seen, and its lease is no longer renewed but has not expired yet. */
      readonly isSilent: boolean;
    }
  | { readonly kind: 'starting'; readonly start: TrainerStart }
  /** The job waits in the scheduler's queue. */
  | { readonly kind: 'queued'; readonly start: TrainerStart; readonly why: string }
  /** No trainer runs. */
  | { readonly kind: 'idle'; readonly start: TrainerStart | undefined; readonly gone: GoneJob | undefined };

export type GoneJob = Extract<JobState, { phase: 'gone' }>;

/** A trainer runs, or is about to. */
export type RunningState = Extract<TrainingState, { kind: 'training' | 'starting' | 'queued' }>;
/** No trainer runs. */
export type IdleState = Extract<TrainingState, { kind: 'idle' }>;

/** Seconds without a renewal after which the lease of a trainer that can't be seen has expired; as in trainer/lease.py. */
export const LEASE_SECONDS = 30;
/** Much longer than the time between two renewals. */
const SILENT_FROM_SECONDS = 8;

/**
 * Reads the state of a training's output folder repeatedly: whether a trainer on another machine is alive shows only over
 * time.
 */
export class TrainingMonitor {
  readonly #outputFolder: string;
  readonly #launcher: Launcher;
  readonly #leaseSeconds: number;
  readonly #silence: StartSilence;

  /**
   * @param launcher starts trainers and knows them, except those that a launcher of another kind started
   * earlier
   */
  constructor(outputFolder: string, launcher: Launcher, leaseSeconds = LEASE_SECONDS) {
    this.#outputFolder = outputFolder;
    this.#launcher = launcher;
    this.#leaseSeconds = leaseSeconds;
    this.#silence = new StartSilence(outputFolder);
  }

  get logFile(): string {
    return join(this.#outputFolder, LOG_FILE);
  }

  /**
   * @throws TrainingFailedPermanently if the result in the folder is another job's
   * @throws ArtifactDamaged if the result can't be read
   */
  async readState(job: TrainingJob): Promise<TrainingState> {
    const state = await this.readTrainer();
    // The result is read last: a trainer that ended in the meantime wrote it before it released its lease.
    const result = await readTrainingResult(this.#outputFolder);
    if (result !== undefined) {
      await this.#check(job, result);
      return { kind: 'done', result };
    }
    if (state.kind !== 'idle' || state.start === undefined) return state;
    // Read again, because a trainer that ended in the meantime may have reported why.
    const exit = await exitOf(this.#outputFolder, state.start.token);
    return { ...state, start: { ...state.start, exit } };
  }

  /** Reads whether a trainer runs, whatever the result. */
  async readTrainer(): Promise<RunningState | IdleState> {
    const start = await newestStart(this.#outputFolder);
    const lease = await readJsonIfExists(join(this.#outputFolder, 'lease.json'), leaseSchema);
    const silentSeconds = lease === undefined ? Infinity : await this.#silentSeconds(lease);
    if (lease !== undefined && silentSeconds < this.#leaseSeconds)
      return { kind: 'training', lease, start, isSilent: silentSeconds > SILENT_FROM_SECONDS };
    return this.#stateWithoutTrainer(start, lease);
  }

  /** Whether the job of the newest start still runs. */
  async isJobRunning(): Promise<boolean> {
    const start = await newestStart(this.#outputFolder);
    return start?.job !== undefined && (await this.#look(start, start.job)).phase === 'running';
  }

  async readProgress(): Promise<TrainingProgress | undefined> {
    return lastProgress(await readTail(join(this.#outputFolder, PROGRESS_FILE), 2000));
  }

  async lastLogLines(): Promise<string[]> {
    return (await readTail(this.logFile, 4000)).trimEnd().split('\n').slice(-20);
  }

  /** The state while no living trainer holds the lease. */
  async #stateWithoutTrainer(
    start: TrainerStart | undefined,
    lease: TrainingLease | undefined,
  ): Promise<Exclude<RunningState, { kind: 'training' }> | IdleState> {
    if (start === undefined) return { kind: 'idle', start, gone: undefined };
    const { token } = start;
    const isYoung = () => this.#isYoung(token, lease?.token === token ? lease.renewedAt : '');
    let job: JobId | undefined;
    try {
      job =
        start.job ??
        (await launcherOfStart(start, this.#launcher).find(token, startFolder(this.#outputFolder, token)));
    } catch (error) {
      if (!(error instanceof LauncherUnavailable)) throw error;
      return { kind: 'queued', start, why: error.message };
    }
    if (job === undefined) {
      const isBeingLaunched =
        start.exit === undefined && (await processState(start.launchedBy)) !== 'dead' && (await isYoung());
      return isBeingLaunched ? { kind: 'starting', start } : { kind: 'idle', start, gone: undefined };
    }
    const launched = { ...start, job };
    const state = await this.#look(start, job);
    if (state.phase === 'gone') return { kind: 'idle', start: launched, gone: state };
    // One rank has ended. Its launching program takes some time to end the others, or restarts them all.
    if (state.phase === 'running') return { kind: 'starting', start: launched };
    if (start.exit === undefined && state.phase === 'queued')
      return { kind: 'queued', start: launched, why: state.why };
    if (start.exit === undefined && (await isYoung())) return { kind: 'starting', start: launched };
    // Nobody has seen a sign of life for longer than a lease lasts, so the machine counts as lost.
    return { kind: 'idle', start: launched, gone: { phase: 'gone', reason: 'node-lost' } };
  }

  #look(start: TrainerStart, job: JobId): Promise<JobState> {
    return launcherOfStart(start, this.#launcher).look(job);
  }

  /** 0 if the trainer is seen to live, Infinity if it is seen to be dead. */
  async #silentSeconds(lease: TrainingLease): Promise<number> {
    const state = await processState(lease);
    if (state === 'remote') return this.#silence.seconds(lease.token, lease.renewedAt);
    return state === 'alive' ? 0 : Infinity;
  }

  /** Whether the last sign of life of a start was seen first more recently than a lease lasts. */
  async #isYoung(token: string, sign: string): Promise<boolean> {
    return (await this.#silence.seconds(token, sign)) < this.#leaseSeconds;
  }

  async #check(job: TrainingJob, result: TrainingResult): Promise<void> {
    const { method, seed, hyperparameters, adapter, data, outputFolder } = job;
    // Fields that don't change the weights.
    const { saveSteps: _, saveTotalLimit: __, ...meaning } = hyperparameters;
    const { saveAdapter: ___, ...adapterMeaning } = { saveAdapter: false, ...adapter };
    const wanted = {
      method,
      seed,
      hyperparameters: meaning,
      adapter: adapterMeaning,
      data: await fileSha256(data),
    };
    const { base: ____, ...found } = result.identity;
    const differing = fieldDifferences(found, wanted).map(
      ({ field, before: was, after: is }) => `${field} was ${was}, now ${is}`,
    );
    if (differing.length === 0) return;
    const what = `${outputFolder} holds the result of another job: ${differing.join('; ')}`;
    throw new TrainingFailedPermanently({ what, logFile: this.logFile });
  }
}

/** Whether the trainer of an output folder runs on another machine, as far as it can be known at first sight. */
export async function trainsElsewhere(outputFolder: string, launcher: Launcher): Promise<boolean> {
  const state = await new TrainingMonitor(outputFolder, launcher).readTrainer();
  if (state.kind === 'idle') return false;
  const process = state.kind === 'training' ? state.lease : state.start.launchedBy;
  return (await processState(process)) === 'remote';
}

/** The last `length` bytes of a file as text; empty if there is no such file. */
async function readTail(file: string, length: number): Promise<string> {
  if ((await statIfExists(file)) === undefined) return '';
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - length);
    const buffer = Buffer.alloc(size - start);
    await handle.read(buffer, 0, buffer.length, start);
    return buffer.toString('utf8');
  } finally {
    await handle.close();
  }
}
