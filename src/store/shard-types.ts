import type { Counts, Fingerprint } from './artifact.ts';

export const SKIPPED_FILE = 'skipped.jsonl';

/** One answer of a model, stored as soon as it arrives. */
export interface ShardRecord {
  readonly id: string;
  /** The unit to which the answer belongs. */
  readonly unit: string;
  /** The cost of the request. If one request has several answers, the first one carries it. */
  readonly usage?: RequestUsage;
}

/** The cost of an answer. */
export interface RequestUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Number of answered requests. */
  readonly requests?: number;
  /** Number of earlier requests that failed and were repeated. */
  readonly retries?: number;
}

/** A unit without a result: it failed permanently, or the method drops it. */
export interface SkippedRecord {
  readonly id: string;
  readonly kind: 'failed' | 'dropped';
  /** A short reason by which units can be counted, such as `context-length`. */
  readonly reason: string;
  readonly detail?: string;
}

/**
 * Reports that a unit can't be done, with a reason by which such units are counted. The rest of the shard continues.
 */
export class UnitFailed extends Error {
  override readonly name = 'UnitFailed';
  readonly reason: string;

  constructor(reason: string, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

/** How the work on a unit learns that its attempt ends. */
export interface EndOfAttempt {
  /** Aborts when no further request is to be sent: the attempt is cancelled, or another one has taken over. */
  readonly stop: AbortSignal;
  /** Aborts some time after `stop`, when the requests that were sent before have had their time. */
  readonly abort: AbortSignal;
}

/** The places in which a shard's units are worked on. */
export interface Places {
  /** Works on every item. Rejects after a failure, or once the signal aborts, when the running ones have ended. */
  forEach<T>(items: readonly T[], work: (item: T) => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** A piece of work that can be resumed record by record. */
export interface ResumableShard<Unit extends { readonly id: string }, Item extends ShardRecord, Result> {
  readonly uri: string;
  readonly fingerprint: Fingerprint;
  readonly units: readonly Unit[];
  /**
   * Requests the missing answers of a unit, given its stored records, and emits each answer as it arrives. Throws
   * UnitFailed to skip the unit; any other error ends the attempt.
   */
  readonly processUnit: (
    unit: Unit,
    existing: readonly Item[],
    emit: (record: Item) => void,
    end: EndOfAttempt,
  ) => Promise<void>;
  /** The published form of a finished unit. */
  readonly assembleResults: (
    unit: Unit,
    records: readonly Item[],
  ) => readonly (Result & { readonly id: string })[] | SkippedRecord;
  readonly countResults: (results: readonly Result[]) => Counts;
  /** How many units are worked on at once, or the places that it shares with other shards. */
  readonly concurrency: number | Places;
  /** The largest share of units that may fail permanently. If more fail, the attempt fails. */
  readonly maxSkippedShare: number;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
  /** How long requests that were sent may go on after the end of the attempt; their answers are stored. */
  readonly finishSeconds: number;
  readonly onProgress: (progress: { readonly done: number; readonly units: number }) => void;
}

/** Counts skipped units by kind and reason. */
export function countSkipReasons(setAside: readonly SkippedRecord[]): Counts {
  const counts: { [reason: string]: number } = {};
  for (const { kind, reason } of setAside) {
    const key = `${kind}: ${reason}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
