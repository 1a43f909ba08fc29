import { setTimeout as sleep } from 'node:timers/promises';
import type { Run, RunProgress, WaitOptions } from '../../src/client.ts';
import type { Display } from './display.ts';

const LOOK_MILLISECONDS = 500;
/** Without an answer for so long, something is away. A worker that starts takes a while. */
const SILENCE_MILLISECONDS = 10_000;
const PROBE_MILLISECONDS = 2_000;
/** The last look at a run that has ended needs a worker, which may be gone. */
const LAST_LOOK_MILLISECONDS = 5_000;

export interface Following {
  readonly display: Display;
  /** Ends the following; the run goes on. */
  readonly signal: AbortSignal;
  /** Whether the Temporal server answers now; that it takes long is a no. */
  readonly serverAnswers: () => Promise<boolean>;
  /** How the server is called in what is said about it. */
  readonly server: string;
  /** Rejects when the worker that the run depends on has ended. */
  readonly workerEnded?: Promise<never>;
}

/** A run, an evaluation without training, or the judging of a file. */
export type Followed<Result> = Pick<Run, 'progress'> & {
  result(options: WaitOptions): Promise<Result>;
};

/**
 * Shows how a run goes until it ends, through outages of server and worker, and returns its result; undefined when the
 * signal ends it first.
 * @throws what the run fails with
 */
export async function followRun<Result>(
  run: Followed<Result>,
  following: Following,
): Promise<Result | undefined> {
  const { display, signal, workerEnded } = following;
  const over = new AbortController();
  const looking = look(run, following, over.signal);
  try {
    return await Promise.race([
      run.result({ signal: over.signal, outageSeconds: Infinity }),
      untilAborted(signal),
      ...(workerEnded === undefined ? [] : [workerEnded]),
    ]);
  } finally {
    over.abort();
    await looking;
    if (!signal.aborted) {
      const last = run.progress().catch(() => undefined);
      const progress = await Promise.race([last, sleep(LAST_LOOK_MILLISECONDS), untilAborted(signal)]);
      if (progress !== undefined) display.show(progress);
    }
    display.close();
  }
}

/** Shows progress after progress until it is over, and says when nobody answers. */
async function look(run: Pick<Run, 'progress'>, following: Following, over: AbortSignal): Promise<void> {
  const { display } = following;
  const outage = new Outage(following);
  let asked: Promise<RunProgress | undefined> | undefined;
  while (!over.aborted) {
    // Right after a start nobody answers yet; a question without an answer is waited for, not asked twice.
    asked ??= run.progress().catch(() => undefined);
    const answer = await Promise.race([
      asked,
      sleep(PROBE_MILLISECONDS, 'silence' as const, { signal: over }).catch(() => undefined),
    ]);
    if (over.aborted) return;
    if (answer === 'silence') {
      await outage.silence(over);
      continue;
    }
    asked = undefined;
    if (answer === undefined) await outage.silence(over);
    else {
      outage.answered();
      display.show(answer);
    }
    await sleep(LOOK_MILLISECONDS, undefined, { signal: over }).catch(() => undefined);
  }
}

/** Says once that a server or a worker is away, and once that it is back. */
class Outage {
  readonly #following: Following;
  #answeredAt = Date.now();
  #said: 'server' | 'worker' | undefined;

  constructor(following: Following) {
    this.#following = following;
  }

  answered(): void {
    this.#answeredAt = Date.now();
    if (this.#said !== undefined) this.#following.display.say('  It answers again.');
    this.#said = undefined;
  }

  async silence(over: AbortSignal): Promise<void> {
    if (Date.now() - this.#answeredAt < SILENCE_MILLISECONDS) return;
    const { display, serverAnswers, server, workerEnded } = this.#following;
    const unanswered = sleep(PROBE_MILLISECONDS, false, { signal: over }).catch(() => undefined);
    const answers = await Promise.race([serverAnswers(), unanswered]);
    if (answers === undefined) return;
    const away = answers ? 'worker' : 'server';
    // A worker of our own that takes long to start is not away; its end is told in another way.
    if (away === this.#said || (away === 'worker' && workerEnded !== undefined)) return;
    this.#said = away;
    const since = new Date(this.#answeredAt).toTimeString().slice(0, 8);
    display.say(
      away === 'server'
        ? `  The Temporal server at ${server} has not answered since ${since}: waiting for it.`
        : `  No worker has answered since ${since}: the run goes on when one is back ("npm run worker").`,
    );
  }
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
