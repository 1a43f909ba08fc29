import type { Counts } from '../store/artifact.ts';
import type { ShardRecord } from '../store/shard-types.ts';
import type { AskJudge } from './vote.ts';

/** A row of a file, as it is judged. */
export interface FileUnit {
  /** The number of the row, padded so that ids sort as rows do. */
  readonly id: string;
  readonly row: number;
}

/** The reason why a row has no verdict: the endpoint refuses to judge it. */
interface Refusal {
  readonly reason: string;
  readonly detail: string;
}

/** A line of a verdict file. */
export interface FileLine {
  /** The number of the row in the judged file, from 0. */
  readonly row: number;
  /** The row's own id, or its number if it has none. */
  readonly id: string;
  readonly failed?: Refusal;
}

/** A row of a file, with its number from 0: its unit, or the reason why it is unusable. */
type UnitRow<Unit> =
  | { readonly row: number; readonly unit: Unit; readonly problem?: undefined }
  | { readonly row: number; readonly unit?: undefined; readonly problem: string };

/**
 * A kind of rows that a file can have, and how a judge judges them: pairs, or the records of another task. Its functions are
 * methods, so that the engine needs not know the types of a task.
 */
export interface FileTask<
  Figures,
  Unit extends FileUnit = FileUnit,
  Vote extends ShardRecord = ShardRecord,
  Line extends FileLine = FileLine,
> {
  /** The names of one row and of several in messages: `pair` and `pairs`. */
  readonly noun: { readonly one: string; readonly many: string };
  /** @throws UnreadableFile that names the file */
  readUnits(file: string): AsyncGenerator<UnitRow<Unit>>;
  /** The number of requests for a row, of all its votes. */
  requestsFor(unit: Unit): number;
  /** Requests the missing votes on a row. */
  work(unit: Unit, existing: readonly Vote[], emit: (vote: Vote) => void, ask: AskJudge): Promise<void>;
  assembleResults(unit: Unit, votes: readonly Vote[]): readonly Line[];
  countResults(lines: readonly Line[]): Counts;
  /** The line of a row, with the row's own id; without a verdict if the endpoint refused the row. */
  lineOf(unit: Unit, judged: Line | Refusal): Line;
  createCounter(): FiguresCounter<Figures, Unit, Line>;
}

interface FiguresCounter<Figures, Unit, Line> {
  add(line: Line, unit: Unit | undefined): void;
  readonly figures: Figures;
}

/** The id of a row's unit. */
export function unitId(row: number): string {
  return String(row).padStart(9, '0');
}
