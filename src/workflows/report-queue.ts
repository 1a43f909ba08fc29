import { CancellationScope } from '@temporalio/workflow';

/** Writes a report with this status; never fails. */
type WriteReport = (status: 'paused' | 'running') => Promise<void>;

/** Writes the report of a run between two iterations, beside its stages: one report after the other. */
export class ReportQueue {
  #write: WriteReport | undefined;
  #due = 0;
  #last: Promise<void> = Promise.resolve();

  /** Connects the queue with a planned run, which has a report. */
  attach(write: WriteReport): void {
    this.#write = write;
  }

  /** True while a report is still to be written. */
  get isWriting(): boolean {
    return this.#due > 0;
  }

  /** Writes a report after those that are due; does nothing before the run is planned. */
  add(status: 'paused' | 'running'): void {
    const write = this.#write;
    if (write === undefined) return;
    this.#due += 1;
    this.#last = this.#last
      .then(() => CancellationScope.nonCancellable(() => write(status)))
      .finally(() => {
        this.#due -= 1;
      });
  }
}
