/** A problem of a configuration or of something that it needs: its place, and what to do about it. */
export interface Problem {
  /** The field's path, such as `judging.samples`, or the name of what was checked. */
  readonly path: string;
  readonly message: string;
}
