/** A file of rows, with the name under which its rows are reported. */
export interface DataFile {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
}
