import { CancellationScope } from '@temporalio/workflow';

/** Writes a report with this status; never fails. */
type WriteReport = (status: 'paused' | 'running') => Promise<void>;

/** Writes the reports of a run beside its stages, one after the other, so that an older one never replaces a newer one. */
export class ReportQueue {
  #write: WriteReport | undefined;
  #due = 0;
  #last: Promise<unknown> = Promise.resolve();

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
    void this.run(() => CancellationScope.nonCancellable(() => write(status)));
  }

  /** Runs work that writes a report after those that are due, and fails as it does. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.#due += 1;
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    try {
      return await result;
    } finally {
      this.#due -= 1;
    }
  }
}
