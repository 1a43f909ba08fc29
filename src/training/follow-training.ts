import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArtifactDamaged } from '../artifacts/errors.ts';
import { startDetached, type DetachedProcess } from '../processes/group.ts';
import { isOfThisBoot } from '../processes/identity.ts';
import {
  TrainingDetached,
  TrainingDied,
  TrainingFailedPermanently,
  TrainingStalled,
  TrainingStopped,
  type TrainingEnd,
} from './errors.ts';
import { hasFault, noteFault, type Fault } from './faults.ts';
import type { TrainingExit, TrainingJob, TrainingProgress, TrainingResult } from './job.ts';
import { freedModel } from './freed-model.ts';
import { modelDamage } from './model-damage.ts';
import { StallWatch, type StallLimits } from './stall-watch.ts';
import { claimStart, noteExit, noteProcess, type Start } from './starts.ts';
import { TrainerStop, type RunningState } from './stop-training.ts';
import { trainerArguments, trainerEnvironment, type TrainerCommand } from './trainer-command.ts';
import { TrainingWatch, type TrainingState } from './training-watch.ts';

export interface FollowOptions {
  readonly job: TrainingJob;
  readonly trainer: TrainerCommand;
  /**
   * Called at every look, also without news, so that a heartbeat can be sent. `progress` is the last reported step:
   * after a restart, that of the trainer before, until the first new one. `trainer` is the start that is at work, with the
   * seconds since it was launched.
   */
  readonly onProgress?: (update: {
    phase: 'starting' | 'training';
    progress?: TrainingProgress;
    trainer?: { readonly token: string; readonly seconds: number };
  }) => void;
  readonly signal?: AbortSignal;
  /**
   * What an abort means, by the signal's reason: `stop` ends the training with a checkpoint (the run was cancelled),
   * `detach` leaves it at work (the worker shuts down).
   */
  readonly onAbort?: (reason: unknown) => 'stop' | 'detach';
  /** Between two looks; 500. */
  readonly pollMilliseconds?: number;
  /** How long a trainer on another machine may be silent before it counts as dead; 30. */
  readonly leaseSeconds?: number;
  /**
   * How long it may show no progress before it is stopped and counts as stalled; half an hour, an hour before its first step.
   * One that was asked to stop is killed after `seconds` without a sign that it gets on.
   */
  readonly stallLimits?: StallLimits;
}

/**
 * Brings a training to its end, whatever came before: returns at once where it is done, follows a trainer that is at
 * work, starts one where none is. A trainer that ends without a result is not started again in the same call: the
 * error's class says whether to call again.
 * @throws TrainingFailedPermanently for bad data or configuration: calling again would fail again.
 * A model that was freed since is none the worse for its figures: its result is returned too.
 * @throws ArtifactDamaged where it is done, but its model or result is not whole any more: its folder is to be set aside.
 * @throws TrainingStopped where it stopped with a checkpoint, by the signal or by somebody else.
 * @throws TrainingStalled where it made no progress for longer than it may and was stopped: call again to go on from the
 *   newest whole checkpoint. A third time in a row without a step in between is TrainingFailedPermanently.
 * @throws TrainingDied where it ended in any other way: call again to go on from the newest whole checkpoint. The same
 *   exception of the trainer a third time in a row, without a step in between, is TrainingFailedPermanently, and so is the
 *   sixth death in a row that it had no time to explain, unless its machine went away.
 * @throws TrainingDetached where the signal said to leave it at work.
 */
export async function followTraining(options: FollowOptions): Promise<TrainingResult> {
  return new Follower(options).follow();
}

class Follower {
  readonly #options: FollowOptions;
  readonly #watch: TrainingWatch;
  /** Set where this follower launched the trainer: then it sees its exit code. */
  #child: DetachedProcess | undefined;
  #childExit: TrainingExit | undefined;
  /** Somebody was seen at work: when nobody is any more, it has ended, and how is ours to tell. */
  #seen = false;
  /** Set once an abort has meant to stop it. */
  #isStopped = false;
  /** Set once it has shown no progress for too long. */
  #stalledFor: number | undefined;
  readonly #stallLimits: StallLimits;
  readonly #stallWatch: StallWatch;
  /** Set once it is to stop, for either reason. */
  #stopping: TrainerStop | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
    const { job, leaseSeconds = 30, stallLimits = { seconds: 1800, firstStepSeconds: 3600 } } = options;
    this.#watch = new TrainingWatch(job, leaseSeconds);
    this.#stallLimits = stallLimits;
    this.#stallWatch = new StallWatch(job.outputFolder, stallLimits);
  }

  async follow(): Promise<TrainingResult> {
    for (;;) {
      const state = await this.#watch.look();
      if (state.kind === 'done') return this.#finish(state.result);
      if (this.#options.signal?.aborted) await this.#obey(state);
      if (state.kind !== 'idle') {
        this.#seen = true;
        await this.#report(state);
      } else if (this.#seen) {
        throw await this.#end(state.start);
      } else {
        await this.#judgeUnseenDeath(state.start);
        await this.#start(state.start);
        continue;
      }
      await this.#pause();
    }
  }

  async #finish(result: TrainingResult): Promise<TrainingResult> {
    if (freedModel(this.#options.job.outputFolder) !== undefined) return result;
    // The trainer has hashed a model that was made just now itself.
    const what = await modelDamage(this.#options.job.outputFolder, result, this.#seen ? 'sizes' : 'content');
    if (what !== undefined) throw new ArtifactDamaged(what);
    // Memory of the machine is free only once the process is gone; it has nothing left to do but to leave.
    const deadline = performance.now() + 5000;
    while ((await this.#watch.isProcessThere()) && performance.now() < deadline) await sleep(20);
    // The trainer removes them itself, unless it died just before.
    await rm(join(this.#options.job.outputFolder, 'checkpoints'), { recursive: true, force: true });
    return result;
  }

  async #start(previous: Start | undefined): Promise<void> {
    const { job, trainer } = this.#options;
    const token = randomUUID();
    const jobFile = await claimStart(previous, job, token);
    if (jobFile === undefined) return; // another follower starts it: look again and follow
    this.#seen = true;
    try {
      this.#child = await startDetached({
        command: trainerArguments(trainer, jobFile),
        folder: trainer.packageRoot,
        environment: trainerEnvironment(trainer),
        logFile: this.#watch.logFile,
      });
    } catch (error) {
      const message = `the trainer can't be started: ${error instanceof Error ? error.message : String(error)}`;
      await noteExit(job.outputFolder, token, { exitCode: 78, message });
      return;
    }
    await noteProcess(job.outputFolder, token, this.#child.identity);
    void this.#child.ended.then(({ code, signal }) => {
      const exitCode = code ?? (signal === 'SIGTERM' ? 143 : 137);
      this.#childExit = {
        exitCode,
        message: signal === null ? `exit code ${exitCode}` : `killed by ${signal}`,
      };
    });
  }

  /** Does what an abort asks for; called at every look until the trainer is gone. */
  async #obey(state: Exclude<TrainingState, { kind: 'done' }>): Promise<void> {
    const { signal, onAbort, job } = this.#options;
    const { logFile } = this.#watch;
    if (!this.#isStopped && onAbort?.(signal?.reason) !== 'stop') {
      throw new TrainingDetached({
        what: `no longer following the training in ${job.outputFolder}`,
        logFile,
      });
    }
    this.#isStopped = true;
    if (state.kind === 'idle') {
      throw new TrainingStopped({ what: `the training in ${job.outputFolder} was stopped`, logFile });
    }
    if ((await this.#stop(state)) === 'elsewhere') {
      const what = `the training in ${job.outputFolder} goes on: another machine's, it can't be stopped from here`;
      throw new TrainingDetached({ what, logFile });
    }
  }

  /** Asks the trainer for a checkpoint and its end; one that shows nothing more is killed, saved or not. */
  #stop(state: RunningState) {
    const { seconds } = this.#stallLimits;
    const silentSeconds = this.#stalledFor === undefined ? seconds : Math.min(seconds, STALLED_SECONDS);
    this.#stopping ??= new TrainerStop(this.#options.job.outputFolder, silentSeconds);
    return this.#stopping.goOn(state);
  }

  /** Says how far it is, and stops it where it doesn't get on; called at every look. */
  async #report(state: RunningState): Promise<void> {
    const progress = await this.#watch.progress();
    const { token, startedAt } = state.start ?? {};
    this.#options.onProgress?.({
      phase: state.kind,
      ...(progress === undefined ? {} : { progress }),
      ...(token === undefined || startedAt === undefined
        ? {}
        : { trainer: { token, seconds: Math.max(0, (Date.now() - startedAt) / 1000) } }),
    });
    this.#stalledFor ??= await this.#stallWatch.stalledFor(state.start, progress);
    if (this.#stalledFor !== undefined) await this.#stop(state);
  }

  /** The error for a trainer that ended without a result: its own words first, then the exit code. */
  async #end(start: Start | undefined): Promise<Error> {
    const exit = start?.exit ?? (await this.#settledChildExit());
    const { job } = this.#options;
    const where = `the training in ${job.outputFolder}`;
    const end: Omit<TrainingEnd, 'what'> = {
      logFile: this.#watch.logFile,
      lastLines: await this.#watch.lastLogLines(),
      exitCode: exit?.exitCode,
    };
    if (this.#stalledFor !== undefined && !this.#isStopped) {
      const message = `showed no progress for ${Math.round(this.#stalledFor)} s`;
      const { times, fault } = await this.#note(start, 'stalled', message);
      const what = `${where} ${message} ${after(fault)} and was stopped`;
      if (!fault.isLast) return new TrainingStalled({ ...end, what });
      return new TrainingFailedPermanently({
        ...end,
        what: `${what}, ${times} times in a row without a step in between: it is given up`,
      });
    }
    if (exit !== undefined && isPermanent(exit.exitCode))
      return new TrainingFailedPermanently({ ...end, what: exit.message });
    if (exit !== undefined && (exit.exitCode === 75 || exit.exitCode === 143))
      return new TrainingStopped({ ...end, what: exit.message });
    const what = exit === undefined ? `${where} died` : `${where} ended without a result: ${exit.message}`;
    // In its own words: an exit code alone may be a launcher's.
    if (start?.exit === undefined) return this.#death(start, { ...end, what });
    if (start.exit.exitCode !== EXCEPTION) return new TrainingDied({ ...end, what });
    const { times, fault } = await this.#note(start, 'error', start.exit.message);
    if (!fault.isLast) return new TrainingDied({ ...end, what });
    return new TrainingFailedPermanently({
      ...end,
      what: `${what}; the same ${times} times in a row without a step in between: it would come again`,
    });
  }

  /** The error for a trainer that had no time to say why it ended. A machine that went away says nothing of the training. */
  async #death(start: Start | undefined, end: TrainingEnd): Promise<Error> {
    if (start?.process === undefined || !(await isOfThisBoot(start.process))) return new TrainingDied(end);
    const { times, fault } = await this.#note(start, 'died', end.what);
    if (!fault.isLast) return new TrainingDied(end);
    return new TrainingFailedPermanently({
      ...end,
      what:
        `${end.what} ${after(fault)}, ${times} times in a row without a step in between, and never said why: it would come ` +
        "again. Most often memory has run out: the machine's, where the kernel has killed it (SIGKILL, exit code 137 or -9; " +
        "dmesg tells), or a GPU's. Give it more, or lower the round's hyperparameters.batchSize or maximumLength. " +
        `Its log ends: ${inOneLine(end.lastLines ?? [])}`,
    });
  }

  /** A trainer may have died together with the worker that followed it, of the same lack of memory for instance. */
  async #judgeUnseenDeath(start: Start | undefined): Promise<void> {
    const { outputFolder } = this.#options.job;
    if (start === undefined || start.exit !== undefined || hasFault(outputFolder, start.token)) return;
    const end = {
      what: `the training in ${outputFolder} died`,
      logFile: this.#watch.logFile,
      lastLines: await this.#watch.lastLogLines(),
    };
    const error = await this.#death(start, end);
    if (error instanceof TrainingFailedPermanently) throw error;
  }

  async #note(start: Start | undefined, kind: Fault['kind'], message: string) {
    const step = (await this.#watch.progress())?.step ?? 0;
    if (start !== undefined)
      return noteFault(this.#options.job.outputFolder, start.token, { kind, message, step });
    return { times: 1, fault: { kind, message, step, isLast: false } };
  }

  /** A process can be seen to be gone a moment before its exit code arrives. */
  async #settledChildExit(): Promise<TrainingExit | undefined> {
    await Promise.race([this.#child?.ended, sleep(1000, undefined, { ref: false })]);
    return this.#childExit;
  }

  async #pause(): Promise<void> {
    const { signal, pollMilliseconds = 500 } = this.#options;
    const done = new AbortController();
    const wake = signal?.aborted ? undefined : signal;
    await Promise.race([
      sleep(pollMilliseconds, undefined, { signal: AbortSignal.any([done.signal, ...(wake ? [wake] : [])]) }),
      ...(this.#child && !this.#childExit ? [this.#child.ended] : []),
    ]).catch(() => undefined); // woken by the abort
    done.abort();
  }
}

/** How long a trainer that has stood still may take to show that it has heard the request to stop: its GPUs idle meanwhile. */
const STALLED_SECONDS = 300;

function after({ step }: Fault): string {
  return step === 0 ? 'before its first step' : `after step ${step}`;
}

/** The end of a log, without the rules that torchrun draws. */
function inOneLine(lines: readonly string[]): string {
  const told = lines.map((line) => line.trim()).filter((line) => /\w/.test(line));
  return told.join(' | ').slice(-1000);
}

/** The trainer's exit code after an exception of its own; one of the machine's, such as a full disk, has another. */
const EXCEPTION = 1;

/** The trainer's exit codes that another try can't change (trainer/errors.py; sysexits.h). */
function isPermanent(exitCode: number): boolean {
  return (exitCode >= 64 && exitCode <= 70) || exitCode === 78;
}
