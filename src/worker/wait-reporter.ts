import type { ActivityWait, WaitsReport } from '../api/signals.ts';

/** Another text of the same waits is reported after a minute, and then after times that double up to an hour. */
const MIN_REFRESH_MS = 60_000;
const MAX_REFRESH_MS = 3_600_000;
/** A report is an event of the run's history: so many at any time, and then one each half hour. */
const MAX_REPORTS = 20;
const REPORT_INTERVAL_MS = 1_800_000;

/** The waits that a run knows, and how they are sent to it. */
export interface ReportedRun {
  known(): Promise<readonly ActivityWait[]>;
  send(report: WaitsReport): Promise<void>;
}

/**
 * Reports the waits of one run when they change. Several workers watch the same run: each asks the run before it reports, so that
 * only one of them does.
 */
export class WaitReporter {
  readonly #run: ReportedRun;
  /** The waits that the run was last known to have. */
  #known: readonly ActivityWait[] | undefined;
  #allowed = MAX_REPORTS;
  #allowedAt = 0;
  #refreshAt = 0;
  #refreshMs = MIN_REFRESH_MS;

  constructor(run: ReportedRun) {
    this.#run = run;
  }

  /** @param now milliseconds of a monotonic clock */
  async report(waits: readonly ActivityWait[], now: number): Promise<void> {
    if (!this.#isDue(waits, now)) return;
    const known = await this.#run.known();
    const isNew = !hasSameWaits(known, waits);
    if (isNew || !hasSameReasons(known, waits)) {
      if (!this.#takeReport(now)) return;
      await this.#run.send({ waits });
    }
    this.#known = waits;
    this.#refreshMs = isNew ? MIN_REFRESH_MS : Math.min(2 * this.#refreshMs, MAX_REFRESH_MS);
    this.#refreshAt = now + this.#refreshMs;
  }

  #isDue(waits: readonly ActivityWait[], now: number): boolean {
    const known = this.#known;
    if (known === undefined || !hasSameWaits(known, waits)) return true;
    return now >= this.#refreshAt && !hasSameReasons(known, waits);
  }

  #takeReport(now: number): boolean {
    this.#allowed = Math.min(MAX_REPORTS, this.#allowed + (now - this.#allowedAt) / REPORT_INTERVAL_MS);
    this.#allowedAt = now;
    if (this.#allowed < 1) return false;
    this.#allowed -= 1;
    return true;
  }
}

function hasSameWaits(a: readonly ActivityWait[], b: readonly ActivityWait[]): boolean {
  return a.length === b.length && a.every((wait) => b.some((other) => isSame(wait, other)));
}

function hasSameReasons(a: readonly ActivityWait[], b: readonly ActivityWait[]): boolean {
  return a.every((wait) => b.some((other) => isSame(wait, other) && wait.reason === other.reason));
}

function isSame(a: ActivityWait, b: ActivityWait): boolean {
  return a.workflowId === b.workflowId && a.activity === b.activity;
}
