/** Errors that end a training. Each message says in one line what happened and names the log. */
export interface TrainingErrorDetails {
  readonly what: string;
  readonly logFile: string;
  /** The last lines of the trainer's log. */
  readonly lastLines?: readonly string[];
  /** Undefined if the end of the trainer was not observed. */
  readonly exitCode?: number | undefined;
}

abstract class TrainingError extends Error {
  readonly exitCode: number | undefined;
  readonly lastLines: readonly string[];

  constructor({ what, logFile, lastLines, exitCode }: TrainingErrorDetails) {
    super(`${what} (log: ${logFile})`);
    this.lastLines = lastLines ?? [];
    this.exitCode = exitCode;
  }
}

/** Invalid data or configuration: another attempt would fail in the same way. */
export class TrainingFailedPermanently extends TrainingError {
  override readonly name = 'TrainingFailedPermanently';
}

/** The training stopped on request; the next call resumes it from its newest complete checkpoint. */
export class TrainingStopped extends TrainingError {
  override readonly name = 'TrainingStopped';
}

/** The training made no progress and was stopped; the next call resumes it from its newest complete checkpoint. */
export class TrainingStalled extends TrainingError {
  override readonly name = 'TrainingStalled';
}

/** The training ended without a result; the next call resumes it from its newest complete checkpoint. */
export class TrainingCrashed extends TrainingError {
  override readonly name = 'TrainingCrashed';
}

/** A trainer that was asked to end makes no progress and does not end, and it runs where this process can't kill it. */
export class TrainerUnreachable extends TrainingError {
  override readonly name = 'TrainerUnreachable';
}

/** The follower stopped following on request. A running trainer continues. */
export class TrainingDetached extends TrainingError {
  override readonly name = 'TrainingDetached';
}
