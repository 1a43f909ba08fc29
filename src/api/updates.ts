/** The arguments of the updates that a run takes. */

/** The argument of the update `pause`. */
export interface PauseRequest {
  /** Shown wherever the run's progress is; at most 500 characters. */
  readonly reason?: string;
}

/** The argument of the update `setIterations`. */
export interface IterationsRequest {
  /** 1 to 100, and at least the current iteration. */
  readonly iterations: number;
}

/** The argument of the update `stopAfterIteration`. */
export interface StopAfterRequest {
  /** An iteration from the current one, which is the default, to the last one. */
  readonly iteration?: number;
}
