/** A server could not be started or did not become ready. The message contains the last lines of its log. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
  readonly reason: ServerFailureReason;
  readonly command: readonly string[];
  /** Exit code of the process, if it ended by itself while this process waited for it. */
  readonly exitCode: number | undefined;
  /** Whether another start can't help. */
  readonly isFinal: boolean;

  constructor(
    reason: ServerFailureReason,
    message: string,
    details: { command: readonly string[]; exitCode?: number | undefined },
  ) {
    super(message);
    this.reason = reason;
    this.command = details.command;
    this.exitCode = details.exitCode;
    this.isFinal = reason === 'refused' || reason === 'adapter-refused' || reason === 'wrong-weights';
  }
}

/**
 * `spawn-failed`: the system can't run the command; `exited`: the process ended; `health-timeout`: the health path did
 * not answer in time; `model-not-ready`: the server is healthy, but the model doesn't answer; `refused`: the server refuses
 * the first request for good (400, 401, 403), so that it would refuse all others; `adapter-refused`: it can't load an adapter;
 * `wrong-weights`: it answers with other weights than those that were trained; `unreachable`: it runs, but gave no answer while
 * it was given an adapter.
 */
export type ServerFailureReason =
  | 'spawn-failed'
  | 'exited'
  | 'health-timeout'
  | 'model-not-ready'
  | 'refused'
  | 'adapter-refused'
  | 'wrong-weights'
  | 'unreachable';
