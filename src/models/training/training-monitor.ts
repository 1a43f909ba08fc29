import { setTimeout as sleep } from 'node:timers/promises';
import { quoteLog } from '../../platform/quotes.ts';
import { fieldDifferences, formatChanges } from '../../platform/field-differences.ts';
import { processState } from '../../platform/process-identity.ts';
import { openParent } from '../../store/drivers.ts';
import { ObjectHashes } from '../../store/object-hashes.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { readJsonObject } from '../../store/objects/read-json-object.ts';
import { TrainingFailedPermanently } from './errors.ts';
import {
  LEASE_FILE,
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
import { exitOf, LOG_FILE, newestStart, startFiles, type TrainerStart } from './trainer-starts.ts';

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
 * Reads the state of a training repeatedly: whether a trainer on another machine is alive shows only over
 * time.
 */
export class TrainingMonitor {
  readonly training: ObjectStore;
  readonly #launcher: Launcher;
  readonly #leaseSeconds: number;
  readonly #silence: StartSilence;

  /**
   * @param launcher starts trainers and knows them, except those that a launcher of another kind started
   * earlier
   */
  constructor(training: ObjectStore, launcher: Launcher, leaseSeconds = LEASE_SECONDS) {
    this.training = training;
    this.#launcher = launcher;
    this.#leaseSeconds = leaseSeconds;
    this.#silence = new StartSilence(training);
  }

  get logFile(): string {
    return this.training.locate(LOG_FILE);
  }

  /**
   * @throws TrainingFailedPermanently if the result is another job's
   * @throws ArtifactDamaged if the result can't be read
   */
  async readState(job: TrainingJob): Promise<TrainingState> {
    const state = await this.readTrainer();
    // The result is read last: a trainer that ended in the meantime wrote it before it released its lease.
    const result = await readTrainingResult(this.training);
    if (result !== undefined) {
      await this.#check(job, result);
      return { kind: 'done', result };
    }
    if (state.kind !== 'idle' || state.start === undefined) return state;
    // Read again, because a trainer that ended in the meantime may have reported why.
    const exit = await exitOf(this.training, state.start.token);
    return { ...state, start: { ...state.start, exit } };
  }

  /** Reads whether a trainer runs, whatever the result. */
  async readTrainer(): Promise<RunningState | IdleState> {
    const start = await newestStart(this.training);
    const lease = await readJsonObject(this.training, LEASE_FILE, leaseSchema);
    const silentSeconds = lease === undefined ? Infinity : await this.#silentSeconds(lease);
    if (lease !== undefined && silentSeconds < this.#leaseSeconds)
      return { kind: 'training', lease, start, isSilent: silentSeconds > SILENT_FROM_SECONDS };
    return this.#stateWithoutTrainer(start, lease);
  }

  /** Waits until the job of a start has ended, but not for longer than this. */
  async waitForJob(start: TrainerStart, milliseconds: number): Promise<void> {
    if (start.job === undefined) return;
    const deadline = performance.now() + milliseconds;
    while ((await this.#look(start, start.job)).phase === 'running' && performance.now() < deadline)
      await sleep(20);
  }

  async readProgress(): Promise<TrainingProgress | undefined> {
    return lastProgress(await this.#tail(PROGRESS_FILE, 2000));
  }

  async lastLogLines(): Promise<string[]> {
    return quoteLog((await this.#tail(LOG_FILE, 4000)).trimEnd())
      .split('\n')
      .slice(-20);
  }

  async #tail(key: string, bytes: number): Promise<string> {
    return (await this.training.tail(key, bytes))?.toString('utf8') ?? '';
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
        (await launcherOfStart(start, this.#launcher).find(token, startFiles(this.training, token)));
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
    const { method, seed, hyperparameters, adapter, data, reasoningMarks } = job;
    const { objects, key } = openParent(data);
    // Fields that don't change the weights.
    const { saveSteps: _, saveTotalLimit: __, ...meaning } = hyperparameters;
    const { saveAdapter: ___, ...adapterMeaning } = { saveAdapter: false, ...adapter };
    const wanted = {
      method,
      seed,
      hyperparameters: meaning,
      adapter: adapterMeaning,
      data: await new ObjectHashes(objects).sha256Of(key),
      ...(reasoningMarks === undefined ? {} : { reasoningMarks }),
    };
    const { base: ____, ...found } = result.identity;
    const differences = fieldDifferences(found, wanted);
    if (differences.length === 0) return;
    const what = `${this.training.address} holds the result of another job: ${formatChanges(differences)}`;
    throw new TrainingFailedPermanently({ what, logFile: this.logFile });
  }
}

/** Whether the trainer of a training runs on another machine, as far as it can be known at first sight. */
export async function trainsElsewhere(training: ObjectStore, launcher: Launcher): Promise<boolean> {
  const state = await new TrainingMonitor(training, launcher).readTrainer();
  if (state.kind === 'idle') return false;
  const process = state.kind === 'training' ? state.lease : state.start.launchedBy;
  return (await processState(process)) === 'remote';
}
