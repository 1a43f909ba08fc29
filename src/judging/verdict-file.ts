import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile, rename, stat, truncate } from 'node:fs/promises';
import { differingFields } from '../artifacts/errors.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import { writeFileAtomically } from '../artifacts/store.ts';
import { readLines } from '../benchmarks/read-rows.ts';
import type { JudgedPair } from './judged-pair.ts';

const SYNC_MILLISECONDS = 500;

/** The file holds something else than the beginning of this judging. Nothing was changed. */
export class VerdictFileRefused extends Error {
  override readonly name = 'VerdictFileRefused';
}

/**
 * Verdicts as JSONL, a line for each row of the file of pairs, in their order. What they mean stands beside them in
 * `<file>.judging.json`, so that only the same judging goes on with them.
 */
export class VerdictFile {
  /** Lines that are there: the rows before this one are judged. */
  #rows: number;
  #refused: number;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #timer: NodeJS.Timeout;

  private constructor(path: string, file: FileHandle, { rows, refused }: Lines) {
    this.#path = path;
    this.#file = file;
    this.#rows = rows;
    this.#refused = refused;
    this.#timer = setInterval(() => void file.datasync().catch(() => undefined), SYNC_MILLISECONDS);
  }

  /**
   * Opens the file, or goes on with it: what a crash has torn off its end is cut away.
   * @throws VerdictFileRefused
   */
  static async open(path: string, meaning: Fingerprint): Promise<VerdictFile> {
    const about = `${path}.judging.json`;
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (existsSync(about)) requireSame(path, JSON.parse(await readFile(about, 'utf8')), meaning);
    else if (size > 0)
      throw new VerdictFileRefused(
        `${path} exists, and nothing says that it holds verdicts (there is no ${about}): name another file by --out, or ` +
          'delete it',
      );
    else await writeFileAtomically(about, `${JSON.stringify(meaning, undefined, 2)}\n`);
    const lines = size === 0 ? NO_LINES : await wholeLines(path);
    if (lines.bytes < size) await truncate(path, lines.bytes);
    return new VerdictFile(path, await open(path, 'a'), lines);
  }

  get rows(): number {
    return this.#rows;
  }

  /** The lines among them of pairs that the endpoint refused. */
  get refused(): number {
    return this.#refused;
  }

  async append(judged: JudgedPair): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(judged)}\n`);
    this.#rows += 1;
    if (judged.failed !== undefined) this.#refused += 1;
  }

  /** Closes it and begins anew; what was there lies at `earlierVerdicts(path)` then, unless something lies there already. */
  async beginAgain(): Promise<VerdictFile> {
    await this.close();
    const earlier = earlierVerdicts(this.#path);
    if (existsSync(earlier)) await truncate(this.#path);
    else await rename(this.#path, earlier);
    return new VerdictFile(this.#path, await open(this.#path, 'a'), NO_LINES);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#file.datasync();
    await this.#file.close();
  }
}

/** Where the verdicts of an earlier attempt lie while pairs that were refused are asked about again. */
export function earlierVerdicts(path: string): string {
  return `${path}.earlier`;
}

/** The verdicts in a file, in their order. */
export async function* readVerdicts(path: string): AsyncGenerator<JudgedPair> {
  for await (const line of readLines(path)) yield JSON.parse(line) as JudgedPair;
}

function requireSame(path: string, found: unknown, meaning: Fingerprint): void {
  const differences = differingFields(found, meaning);
  if (differences.length === 0) return;
  const fields = differences.map(({ field, was, is }) => `${field} is ${was} there, ${is} here`);
  throw new VerdictFileRefused(
    `${path} holds the verdicts of another judging (${fields.join('; ')}): name another file by --out, or delete it and ` +
      `${path}.judging.json`,
  );
}

interface Lines {
  readonly rows: number;
  readonly refused: number;
  readonly bytes: number;
}

const NO_LINES: Lines = { rows: 0, refused: 0, bytes: 0 };

/** How many lines are whole and stand where they should, and where the last of them ends. */
async function wholeLines(path: string): Promise<Lines> {
  let { rows, refused, bytes } = NO_LINES;
  const { size } = await stat(path);
  for await (const line of readLines(path)) {
    const end = bytes + Buffer.byteLength(line) + 1;
    // The last line may lack its newline, and after a power cut any line its text.
    const judged = end > size ? undefined : judgedIn(line);
    if (judged?.row !== rows) break;
    rows += 1;
    if (judged.failed !== undefined) refused += 1;
    bytes = end;
  }
  return { rows, refused, bytes };
}

function judgedIn(line: string): Partial<JudgedPair> | undefined {
  try {
    return JSON.parse(line) as Partial<JudgedPair>;
  } catch {
    return undefined;
  }
}
