/** A file that can't be read as rows. The message names its absolute path and what is expected. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile';
  readonly path: string;

  constructor(file: string, problem: string, options?: ErrorOptions) {
    super(`${file}: ${problem}`, options);
    this.path = file;
  }
}
