import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArtifactDamaged } from '../../store/errors.ts';
import { TrainingDetached, TrainingFailedPermanently, TrainingStopped } from './errors.ts';
import type { TrainingJob, TrainingProgress, TrainingResult } from './job.ts';
import {
  LauncherUnavailable,
  type JobId,
  type Launcher,
  type LauncherSettings,
  type StartRequest,
  type TrainerMachine,
} from './launchers/launcher.ts';
import { kindOf } from './launchers/registry.ts';
import { trainerUses } from './launchers/trainer-command.ts';
import { prunedModel } from './pruned-model.ts';
import { ArtifactStore } from '../../store/artifact-store.ts';
import { openObjectStore } from '../../store/drivers.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { findModelDamage } from './model-integrity.ts';
import { moveStartLog, startLogFile } from './start-log.ts';
import { StallDetector, type StallLimits } from './stall-detector.ts';
import {
  claimStart,
  newestStart,
  recordExit,
  recordLaunch,
  recordRunning,
  runningSeconds,
  startFiles,
  type TrainerStart,
} from './trainer-starts.ts';
import { STOP_FILE, TrainerStopper, wasStopRequested } from './stop-training.ts';
import { endedTrainingError, isEndedByScheduler, isLost, unseenCrashError } from './training-end.ts';
import {
  TrainingMonitor,
  type GoneJob,
  type IdleState,
  type RunningState,
  type TrainingState,
} from './training-monitor.ts';

export interface FollowOptions {
  readonly job: TrainingJob;
  readonly launcher: Launcher;
  /** The launcher's settings. */
  readonly settings: LauncherSettings;
  readonly machine: TrainerMachine;
  /**
   * Called at every poll, even without news, so that a heartbeat can be sent. `progress` is the last reported
   * step: after a restart that of the previous trainer, until the new one reports its first. `trainer` is the
   * running start with its seconds so far. `why` is the reason why a queued job waits. `silentHost` is the trainer's machine if it
   * can't be seen from here and has shown no sign of life for some seconds.
   */
  readonly onProgress?: (update: {
    phase: 'queued' | 'starting' | 'training';
    why?: string;
    silentHost?: string;
    progress?: TrainingProgress;
    trainer?: { readonly token: string; readonly seconds: number };
  }) => void;
  /**
   * Called before this follower starts a trainer, which then waits for it; returns variables of the trainer's environment, such
   * as the GPUs that it sees.
   */
  readonly beforeStart?: () => Promise<Readonly<Record<string, string>>>;
  /** Called with each job that this follower has launched. */
  readonly onLaunch?: (job: JobId) => Promise<void>;
  readonly signal?: AbortSignal;
  /**
   * The effect of an abort, by the signal's reason: `stop` ends the training with a checkpoint (the run was
   * cancelled); `detach` lets it continue (the worker shuts down).
   */
  readonly onAbort?: (reason: unknown) => 'stop' | 'detach';
  /** Milliseconds between two polls; by default 500 for files, and 2000 where each poll takes some requests. */
  readonly pollMilliseconds?: number;
  /** Seconds without a sign of life after which a trainer that can't be seen from here counts as lost; 30 by default. */
  readonly leaseSeconds?: number;
  /**
   * The time without progress after which a trainer is stopped and counts as stalled; by default half an hour, and an
   * hour before its first step. A trainer that was asked to stop is killed after `seconds` without progress.
   */
  readonly stallLimits?: StallLimits;
}

/**
 * Brings a training to its end from any state: returns immediately if it is done, follows a running trainer, or starts
 * one if there is none, if its machine was lost, or if its scheduler has ended it, as at a time limit. A trainer that ends without a result in any other way is not restarted
 * in the same call: the error's class says whether to call again. If the model was pruned since, its result is returned
 * too.
 * @throws TrainingFailedPermanently for invalid data or configuration: another call would fail too
 * @throws ArtifactDamaged if it is done, but its model or result is damaged: the caller must quarantine its folder
 * @throws TrainingStopped if it stopped with a checkpoint, by the signal or by another process
 * @throws TrainingStalled if it made no progress for too long and was stopped: call again to resume from the newest
 *   complete checkpoint. A third stall in a row without a step in between is TrainingFailedPermanently.
 * @throws TrainingCrashed if it ended in any other way: call again to resume from the newest complete checkpoint. The
 *   same exception of the trainer a third time in a row, without a step in between, is TrainingFailedPermanently. So is
 *   the sixth refusal of the operating system in a row (unless the disk is full), and the sixth crash that the trainer
 *   could not explain (unless its machine was lost).
 * @throws TrainingDetached if the signal requested to let it continue
 * @throws TrainerUnreachable if it stalled and has to be killed by hand, on the machine that the message names
 */
export async function followTraining(options: FollowOptions): Promise<TrainingResult> {
  return new TrainingFollower(options).follow();
}

/** The time that a stalled trainer has to react to the request to stop. Its GPUs are idle meanwhile. */
const STALLED_STOP_SECONDS = 300;

/** The time limits in a row without a new step after which a training is not started again. */
const MAX_LIMITS_WITHOUT_STEP = 3;

class TrainingFollower {
  readonly #options: FollowOptions;
  readonly #training: ObjectStore;
  readonly #monitor: TrainingMonitor;
  /**
   * Set once a trainer was seen running. If none runs any more, the training has ended, and this follower
   * reports how.
   */
  #wasSeen = false;
  /** Set once an abort has requested a stop. */
  #isStopped = false;
  /** Set once the trainer has made no progress for too long. */
  #stalledFor: number | undefined;
  readonly #stallLimits: StallLimits;
  readonly #stallDetector: StallDetector;
  /** The furthest step at which a time limit has ended a start, and how many starts have not passed it. */
  #stepAtLimit = 0;
  #limitsWithoutStep = 0;
  /** Set once the trainer is to stop, for either reason. */
  #stopper: TrainerStopper | undefined;
  /** Resolves when the launcher reports that this follower's job has ended. */
  readonly #jobEnded = Promise.withResolvers<void>();
  #hasJobEnded = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    const { job, launcher, leaseSeconds, stallLimits = { seconds: 1800, firstStepSeconds: 3600 } } = options;
    this.#training = openObjectStore(job.outputFolder);
    this.#monitor = new TrainingMonitor(this.#training, launcher, leaseSeconds);
    this.#stallLimits = stallLimits;
    this.#stallDetector = new StallDetector(this.#training, stallLimits);
  }

  async follow(): Promise<TrainingResult> {
    const { job } = this.#options;
    for (;;) {
      const state = await this.#monitor.readState(job);
      if (state.kind === 'done') return this.#finish(state.result);
      if (state.kind === 'idle') await this.#keepLog(state.start);
      if (this.#options.signal?.aborted) await this.#obey(state);
      if (state.kind !== 'idle') {
        this.#wasSeen = true;
        await this.#report(state);
      } else if (this.#stalledFor !== undefined || (this.#wasSeen && !(await this.#continues(state)))) {
        throw await endedTrainingError(this.#monitor, state, this.#stalledFor);
      } else {
        const error = await unseenCrashError(this.#monitor, state);
        if (error !== undefined) throw error;
        await this.#start(state.start);
        continue;
      }
      await this.#pause();
    }
  }

  /** Whether the end of a start is neither a fault nor requested, so that the next one begins at once. */
  async #continues(state: IdleState): Promise<boolean> {
    if (isLost(state)) return true;
    if (!isEndedByScheduler(state) || (await wasStopRequested(this.#training, state.start?.token)))
      return false;
    if (state.gone?.reason === 'time-limit') await this.#requireSteps(state.gone);
    return true;
  }

  /** @throws TrainingFailedPermanently if a time limit ends one start after another without a new step */
  async #requireSteps({ message = 'a time limit' }: GoneJob): Promise<void> {
    const { step = 0 } = (await this.#monitor.readProgress()) ?? {};
    const isFurther = step > this.#stepAtLimit;
    this.#limitsWithoutStep = isFurther ? 0 : this.#limitsWithoutStep + 1;
    this.#stepAtLimit = Math.max(this.#stepAtLimit, step);
    if (this.#limitsWithoutStep < MAX_LIMITS_WITHOUT_STEP) return;
    throw new TrainingFailedPermanently({
      what:
        `the training in ${this.#training.address} reached its job's time limit ${MAX_LIMITS_WITHOUT_STEP} times in a row ` +
        `without a new step (${message}): raise fineTuning.launcher.time, or lower saveSteps`,
      logFile: this.#monitor.logFile,
      lastLines: await this.#monitor.lastLogLines(),
    });
  }

  async #finish(result: TrainingResult): Promise<TrainingResult> {
    const training = this.#training;
    if ((await prunedModel(new ArtifactStore(training), '')) !== undefined) return result;
    // A model that was just trained was hashed by the trainer itself.
    const damage = await findModelDamage(training, result, this.#wasSeen ? 'sizes' : 'content');
    if (damage !== undefined) throw new ArtifactDamaged(damage);
    // The machine's memory is free only once the job is gone, which has nothing more to do than exit.
    const start = await newestStart(training);
    if (start !== undefined) await this.#monitor.waitForJob(start, 5000);
    await this.#keepLog(start);
    await training.delete(STOP_FILE);
    // The trainer removes them itself, unless it died just before.
    for (const { key } of await training.list('checkpoints')) await training.delete(key);
    return result;
  }

  /** Adds what an ended start has printed here to the log. */
  async #keepLog(start: TrainerStart | undefined): Promise<void> {
    if (start !== undefined) await moveStartLog(this.#training, this.#options.machine, start.token);
  }

  async #start(previous: TrainerStart | undefined): Promise<void> {
    const { job, launcher, settings, machine } = this.#options;
    const training = this.#training;
    const variables = await this.#options.beforeStart?.().catch((error: unknown) => {
      // The next poll obeys.
      if (this.#options.signal?.aborted) return undefined;
      throw error;
    });
    if (this.#options.signal?.aborted) return;
    const token = randomUUID();
    const start = { token, after: previous, job, launcher: kindOf(launcher) };
    const jobFile = await claimStart(training, start);
    if (jobFile === undefined) return; // Another follower is starting the trainer: poll again and follow.
    this.#wasSeen = true;
    const onEnd = () => {
      this.#hasJobEnded = true;
      this.#jobEnded.resolve();
    };
    try {
      const logFile = await startLogFile(training, machine, token);
      const environment = { ...machine.environment, ...variables };
      const id = await this.#submit({
        ...{ settings, token, jobFile, logFile, onEnd },
        files: startFiles(training, token),
        machine: {
          ...machine,
          ...{ environment, usesBucket: training.isRemote },
          ...trainerUses(job.baseCheckpoint, job.reportTo),
        },
      });
      if (id === undefined) {
        const message = 'the trainer was stopped before its job was submitted';
        await recordExit(training, token, { exitCode: 75, message });
        return;
      }
      await recordLaunch(training, token, id);
      await this.#options.onLaunch?.(id);
    } catch (error) {
      const message = `the trainer can't be started: ${error instanceof Error ? error.message : String(error)}`;
      await recordExit(training, token, { exitCode: 78, message });
    }
  }

  /** Submits a start, as often as its scheduler refuses for now; undefined after an abort. */
  async #submit(request: StartRequest<LauncherSettings>): Promise<JobId | undefined> {
    const { launcher, signal, onProgress } = this.#options;
    for (let isFirst = true; ; isFirst = false) {
      try {
        // A submission without an answer may have succeeded.
        const found = isFirst ? undefined : await launcher.find(request.token, request.files);
        return found ?? (await launcher.submit(request));
      } catch (error) {
        if (!(error instanceof LauncherUnavailable)) throw error;
        onProgress?.({ phase: 'queued', why: error.message });
      }
      if (signal?.aborted) return undefined;
      await this.#pause();
    }
  }

  /** Carries out an abort; called at every poll until the trainer is gone. */
  async #obey(state: Exclude<TrainingState, { kind: 'done' }>): Promise<void> {
    const { signal, onAbort } = this.#options;
    const { logFile } = this.#monitor;
    if (!this.#isStopped && onAbort?.(signal?.reason) !== 'stop') {
      throw new TrainingDetached({
        what: `no longer following the training in ${this.#training.address}`,
        logFile,
      });
    }
    this.#isStopped = true;
    if (state.kind === 'idle') {
      throw new TrainingStopped({ what: `the training in ${this.#training.address} was stopped`, logFile });
    }
    await this.#stop(state, signal?.reason instanceof Error ? signal.reason.message : 'requested');
  }

  /**
   * Asks the trainer to save a checkpoint and end. A trainer that then makes no progress is killed, with or
   * without a checkpoint.
   */
  #stop(state: RunningState, reason: string): Promise<void> {
    const { seconds } = this.#stallLimits;
    const stallSeconds = this.#stalledFor === undefined ? seconds : Math.min(seconds, STALLED_STOP_SECONDS);
    const { launcher, leaseSeconds } = this.#options;
    const options = { reason, stallSeconds, leaseSeconds };
    this.#stopper ??= new TrainerStopper(this.#training, launcher, options);
    return this.#stopper.advance(state);
  }

  /** Reports the progress, and stops a trainer that makes none; called at every poll. */
  async #report(state: RunningState): Promise<void> {
    const progress = await this.#monitor.readProgress();
    const { start } = state;
    const isRunning = state.kind !== 'queued' && start?.job !== undefined;
    if (isRunning && start.runningSince === undefined) await recordRunning(this.#training, start.token);
    this.#options.onProgress?.({
      phase: state.kind,
      ...(state.kind === 'queued' ? { why: state.why } : {}),
      ...(state.kind === 'training' && state.isSilent ? { silentHost: state.lease.host } : {}),
      ...(progress === undefined ? {} : { progress }),
      ...(start?.runningSince === undefined
        ? {}
        : { trainer: { token: start.token, seconds: await runningSeconds(this.#training, start) } }),
    });
    // A queued job can't stall.
    if (state.kind === 'queued') return;
    this.#stalledFor ??= await this.#stallDetector.stalledFor(start);
    if (this.#stalledFor !== undefined)
      await this.#stop(state, `no progress for ${Math.round(this.#stalledFor)} s`);
  }

  async #pause(): Promise<void> {
    const { signal, pollMilliseconds = this.#training.isRemote ? 2000 : 500 } = this.#options;
    const done = new AbortController();
    const wake = signal?.aborted ? undefined : signal;
    await Promise.race([
      sleep(pollMilliseconds, undefined, { signal: AbortSignal.any([done.signal, ...(wake ? [wake] : [])]) }),
      ...(this.#hasJobEnded ? [] : [this.#jobEnded.promise]),
    ]).catch(() => undefined); // An abort ends this wait early.
    done.abort();
  }
}
