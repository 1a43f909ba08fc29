/**
 * The interface of launchers, which decide where a trainer runs. Each kind has a file and a line in
 * registry.ts; nothing else in src depends on the kind. The files in a training's folder record how the
 * training went; a launcher explains the end of a job and can end it.
 */
import type { z } from 'zod';
import type { ChatMessage } from '../../../method/prompt-template.ts';
import type { ProcessIdentity } from '../../../platform/process-identity.ts';
import type { ObjectStore } from '../../../store/objects/object-store.ts';
import type { Parallelism } from './launch-parallelism.ts';

export interface Launcher<Schema extends z.ZodObject<LauncherShape> = z.ZodObject<LauncherShape>> {
  /** `fineTuning.launcher`. The literal `kind` names the launcher. */
  readonly configuration: Schema;
  /**
   * Starts a trainer. A start is submitted once; a scheduler must never restart a job by itself.
   * @throws LauncherUnavailable if a later attempt may succeed, another Error if none will
   */
  submit(start: StartRequest<z.output<Schema>>): Promise<JobId>;
  /**
   * Finds the job of a start whose submission may have been interrupted before its id was recorded.
   * @param files those of the start
   */
  find(token: string, files: ObjectStore): Promise<JobId | undefined>;
  look(job: JobId): Promise<JobState>;
  /**
   * Ends a job immediately, and returns when it is gone; does nothing if this machine can't reach it. It is the last resort:
   * a request in the training's folder asks the trainer to save a checkpoint and end (stop-training.ts).
   * @param trainer the training process, once it has reported itself; `job` may be a program around it, such
   * as torchrun
   */
  end(job: JobId | undefined, trainer: ProcessIdentity | undefined): Promise<void>;
  /**
   * Checks whether a training could start: packages, trackers, the base checkpoint's configuration and
   * tokenizer.
   */
  check(check: TrainerCheck<z.output<Schema>>): Promise<TrainerReport>;
  /**
   * The process that a job is on this machine, which holds the machine's GPUs until it ends. A launcher without it trains
   * elsewhere, and leaves them alone.
   */
  processOf?(job: JobId): ProcessIdentity;
  /** The devices that a training uses according to the settings. */
  parallelism(settings: z.output<Schema>, packageRoot: string): Promise<Parallelism>;
}

/** The launcher's scheduler does not answer, or refuses for now: a later attempt may succeed. */
export class LauncherUnavailable extends Error {
  override readonly name = 'LauncherUnavailable';
}

/** The field that every launcher's configuration has. */
export interface LauncherShape {
  readonly [field: string]: z.ZodType;
  readonly kind: z.ZodLiteral<string>;
}

/** `fineTuning.launcher` of a run. */
export type LauncherSettings = z.output<z.ZodObject<LauncherShape>>;

/** Declares a launcher; the type of its settings follows from `configuration`. */
export function defineLauncher<Schema extends z.ZodObject<LauncherShape>>(
  launcher: Launcher<Schema>,
): Launcher<Schema> {
  return launcher;
}

/**
 * A launcher's identifier of a job. It contains everything needed to inspect the job and to end it, from any
 * machine that can reach it.
 */
export type JobId = string;

export interface StartRequest<Settings> {
  readonly settings: Settings;
  readonly machine: TrainerMachine;
  /** Unique; the job's name is derived from it. */
  readonly token: string;
  /** The address of the job file. */
  readonly jobFile: string;
  /** The files of the start, among them the job file, for what the launcher itself has to note. */
  readonly files: ObjectStore;
  /**
   * The file to which standard output and error are appended: the training's log, or a file of this machine if the log is in a
   * bucket, which the trainer then writes itself as soon as it can.
   */
  readonly logFile: string;
  /** May be called when the job has ended, by a launcher that is notified immediately. */
  readonly onEnd?: () => void;
}

/** Properties of the machine that starts a trainer. */
export interface TrainerMachine {
  /** The interpreter that has the trainer's packages. */
  readonly python: string;
  /** The folder that holds the package `trainer`. */
  readonly packageRoot: string;
  /** The worker's environment. The trainer gets only a part of it (trainer-command.ts). */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether the trainer reads and writes a bucket, and so needs the keys for it. */
  readonly usesBucket?: boolean;
  /** True if the trainer loads a model of the hub, and so may need its token. */
  readonly usesHub?: boolean;
  /** The trackers that the trainer reports to, and so needs the keys of. */
  readonly trackers?: readonly string[];
}

export type JobState =
  /** The job waits in a queue. It holds no GPUs yet, and can't stall. */
  | { readonly phase: 'queued'; readonly why: string }
  | { readonly phase: 'running' }
  | {
      readonly phase: 'gone';
      readonly reason?: GoneReason;
      readonly exitCode?: number;
      /** A known detail of its end, such as `killed by SIGKILL`. */
      readonly message?: string;
    }
  /** This machine can't see the job, which may still run. */
  | { readonly phase: 'unknown' };

/** Why a job is gone. Only `out-of-memory` is a fault of the training itself. */
export type GoneReason = 'out-of-memory' | 'node-lost' | 'time-limit' | 'preempted' | 'cancelled';

export interface TrainerCheck<Settings> {
  readonly settings: Settings;
  readonly machine: TrainerMachine;
  /** A folder, an address in a bucket, or the id of a model of the hub; unchecked if undefined. */
  readonly baseCheckpoint: string | undefined;
  readonly trustRemoteCode: boolean;
  readonly reportTo: readonly string[];
  /** What the run would do with the base checkpoint. */
  readonly run?: TrainedRun;
  /** The folder of the store, which trainers elsewhere must see too; undefined if it is not known. */
  readonly storeFolder?: string;
  /** Whether the store is in a bucket instead, so that the trainer downloads and uploads its files. */
  readonly isStoreRemote?: boolean;
  readonly signal?: AbortSignal;
}

/** What the check of a base checkpoint has to know about a run (trainer/__main__.py). */
export interface TrainedRun {
  /** Examples of what is trained, which the checkpoint's chat template must render whole. */
  readonly conversations: readonly TrainedConversation[];
  /** `fineTuning.adapter`, which only the trainer reads. */
  readonly adapter: object;
}

export interface TrainedConversation {
  /** The field of the configuration that names the prompt. */
  readonly field: string;
  readonly prompt: readonly ChatMessage[];
  readonly completion: readonly ChatMessage[];
}

export interface TrainerReport {
  /** For example `1 x NVIDIA H200`; undefined if there are problems. */
  readonly device: string | undefined;
  readonly problems: readonly string[];
}
