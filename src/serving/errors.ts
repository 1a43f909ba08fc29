/** A server that a command should have brought up is not there, with what its log says last. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
  readonly reason: ServerFailure;
  readonly command: readonly string[];
  /** Exit code of the process, where it ended by itself while it was watched. */
  readonly exitCode: number | undefined;

  constructor(
    reason: ServerFailure,
    message: string,
    details: { command: readonly string[]; exitCode?: number | undefined },
  ) {
    super(message);
    this.reason = reason;
    this.command = details.command;
    this.exitCode = details.exitCode;
  }
}

/** A server of ours answers, but not under the model's name: it has just been started again, and will. */
export class ModelNotLoaded extends Error {
  override readonly name = 'ModelNotLoaded';
}

/**
 * `not-startable`: the system can't run the command; `exited`: the process ended; `no-answer`: it runs, but its health
 * path never answered in time; `model-unusable`: it is healthy, but the model doesn't answer.
 */
export type ServerFailure = 'not-startable' | 'exited' | 'no-answer' | 'model-unusable';
