import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SetupError } from '../../src/platform/setup-error.ts';

/** A figure of an official repository with ours from the same texts, in percent. */
export interface VerifiedFigure {
  readonly name: string;
  readonly published: number;
  readonly ours: number;
}

/** The result of verifying a folder of official data and published outputs. */
export interface Verification {
  readonly repository: string;
  readonly folder: string;
  readonly rows: number;
  /** Warnings of the reader, such as missing files. */
  readonly warnings: readonly string[];
  readonly figures: readonly VerifiedFigure[];
  /** The published verdicts of single texts, and in how many of them our parser finds another one. */
  readonly verdicts: { readonly compared: number; readonly different: number };
}

/** Verifies a folder; undefined if it is no copy of the repository. */
export type Verifier = (folder: string) => Promise<Verification | undefined>;

/** The largest difference of two equal figures, which differ only by rounding errors of sums. */
const TOLERANCE = 1e-9;

export function differs({ published, ours }: VerifiedFigure): boolean {
  return !(Math.abs(published - ours) <= TOLERANCE);
}

/** The share of 0 to 1 of a figure by its name, in percent. */
export function percentOf(
  figures: readonly { readonly name: string; readonly value: number | null }[],
  name: string,
): number {
  return 100 * (figures.find((figure) => figure.name === name)?.value ?? Number.NaN);
}

/**
 * Reads a published file.
 * @param parse converts its text to values that the schema accepts
 * @throws SetupError with the file if it can't be read or has another form
 */
export async function readPublished<T>(
  file: string,
  schema: z.ZodType<T>,
  parse: (text: string) => unknown = JSON.parse,
): Promise<T> {
  try {
    return schema.parse(parse(await readFile(file, 'utf8')));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new SetupError(`${file} can't be read as it is published: ${reason}`, { cause: error });
  }
}
