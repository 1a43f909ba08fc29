import { setTimeout as sleep } from 'node:timers/promises';
import type { Run, RunProgress, WaitOptions } from '../../client/index.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { PayloadNotDecrypted } from '../../temporal/payload-not-decrypted.ts';
import type { Display } from './display.ts';

const POLL_MILLISECONDS = 500;
/** After so long without an answer an outage is reported. A worker takes a few seconds to start. */
const OUTAGE_MILLISECONDS = 10_000;
/** Used if the server stops answering in between. */
const NO_WORKER = `start one with "${PROGRAM_CALL} worker"`;
const PROBE_MILLISECONDS = 2_000;
/** The last progress of an ended run needs a worker. The worker of a run that was watched is there, perhaps busy. */
const LAST_POLL_MILLISECONDS = { watched: 30_000, unwatched: 5_000 };

export interface RunWatchOptions {
  readonly display: Display;
  /** Ends the watching; the run continues. */
  readonly signal: AbortSignal;
  /** Returns whether the Temporal server answers; a slow answer counts as none. */
  readonly isServerReachable: () => Promise<boolean>;
  /** The server's address, for messages. */
  readonly server: string;
  /** Why no worker answers, and what to do. */
  readonly unansweredReason: () => Promise<string>;
  /** Rejects when the worker that this command started has ended. */
  readonly workerEnded?: Promise<never>;
}

/** A run, an evaluation without training, or a judging. */
export type Watchable<Result> = Pick<Run, 'progress'> & {
  result(options: WaitOptions): Promise<Result>;
};

/**
 * Shows the progress of a run until it ends, also through outages of the server and the worker, and returns its result, or
 * undefined if the signal is aborted first.
 * @throws the failure of the run
 */
export async function watchRun<Result>(
  run: Watchable<Result>,
  options: RunWatchOptions,
): Promise<Result | undefined> {
  const { display, signal, workerEnded } = options;
  const ended = new AbortController();
  const polling = pollProgress(run, options, ended.signal);
  try {
    return await Promise.race([
      run.result({ signal: ended.signal, outageSeconds: Infinity }),
      // It only fails if no later poll can succeed.
      polling.then(() => new Promise<never>(() => undefined)),
      untilAborted(signal),
      ...(workerEnded === undefined ? [] : [workerEnded]),
    ]);
  } finally {
    ended.abort();
    const lastPoll = LAST_POLL_MILLISECONDS[await polling.catch(() => 'unwatched' as const)];
    if (!signal.aborted) {
      const last = run.progress().catch(() => undefined);
      const progress = await Promise.race([last, sleep(lastPoll), untilAborted(signal)]);
      if (progress !== undefined) display.show(progress);
    }
    display.close();
  }
}

/**
 * Polls and shows the progress until `ended` is aborted, and reports outages. Returns whether the run was watched: whether a
 * worker has answered.
 * @throws PayloadNotDecrypted if this process lacks the key of the answers
 */
async function pollProgress(
  run: Pick<Run, 'progress'>,
  options: RunWatchOptions,
  ended: AbortSignal,
): Promise<keyof typeof LAST_POLL_MILLISECONDS> {
  const { display } = options;
  const outage = new OutageReporter(options);
  let found: keyof typeof LAST_POLL_MILLISECONDS = 'unwatched';
  let query: Promise<RunProgress | undefined> | undefined;
  while (!ended.aborted) {
    // A query that has no answer yet is awaited again, not repeated: after a start the worker needs some time.
    query ??= run.progress().catch((error: unknown) => {
      if (error instanceof PayloadNotDecrypted) throw error;
      return undefined;
    });
    const answer = await Promise.race([
      query,
      sleep(PROBE_MILLISECONDS, 'none' as const, { signal: ended }).catch(() => undefined),
    ]);
    if (ended.aborted) return found;
    if (answer === 'none') {
      await outage.reportUnanswered(ended);
      continue;
    }
    query = undefined;
    if (answer === undefined) await outage.reportUnanswered(ended);
    else {
      outage.answered();
      found = 'watched';
      display.show(answer);
    }
    await sleep(POLL_MILLISECONDS, undefined, { signal: ended }).catch(() => undefined);
  }
  return found;
}

/** Reports once that the server or the worker does not answer, and once that it answers again. */
class OutageReporter {
  readonly #options: RunWatchOptions;
  #answeredAt = Date.now();
  #reported: 'server' | 'worker' | undefined;

  constructor(options: RunWatchOptions) {
    this.#options = options;
  }

  answered(): void {
    this.#answeredAt = Date.now();
    if (this.#reported !== undefined) this.#options.display.log(`  The ${this.#reported} answers again.`);
    this.#reported = undefined;
  }

  async reportUnanswered(ended: AbortSignal): Promise<void> {
    if (Date.now() - this.#answeredAt < OUTAGE_MILLISECONDS) return;
    const { display, isServerReachable, server, unansweredReason, workerEnded } = this.#options;
    const timeout = sleep(PROBE_MILLISECONDS, false, { signal: ended }).catch(() => undefined);
    const answers = await Promise.race([isServerReachable(), timeout]);
    if (answers === undefined) return;
    const unavailable = answers ? 'worker' : 'server';
    // This command's own worker may take long to start; its end is reported by workerEnded.
    if (unavailable === this.#reported || (unavailable === 'worker' && workerEnded !== undefined)) return;
    this.#reported = unavailable;
    const since = new Date(this.#answeredAt).toTimeString().slice(0, 8);
    const why = unavailable === 'server' ? '' : await unansweredReason().catch(() => NO_WORKER);
    if (ended.aborted) return;
    display.log(
      unavailable === 'server'
        ? `  The Temporal server at ${server} has not answered since ${since}: waiting for it.`
        : `  No worker has answered since ${since}: ${why}. Then the run continues.`,
    );
  }
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
