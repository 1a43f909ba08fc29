import { setTimeout as sleep } from 'node:timers/promises';
import type { Run, RunProgress, RunResult, StageProgress } from '../../src/client.ts';

const LOOK_MILLISECONDS = 500;

/**
 * Shows on standard error how a run goes until it ends: a line for each finished stage and each judge's figures and, on
 * a terminal, a line below with what is under way. Undefined when the signal ends it first.
 * @throws what the run fails with
 */
export async function followRun(
  run: Run,
  { signal, workerEnded }: { signal: AbortSignal; workerEnded: Promise<never> },
): Promise<RunResult | undefined> {
  const shown = new ProgressLines();
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const over = new AbortController();
  const looking = look(run, shown, over.signal);
  try {
    return await Promise.race([run.result(), aborted, workerEnded]);
  } finally {
    over.abort();
    await looking;
    if (!signal.aborted)
      await run.progress().then(
        (progress) => shown.show(progress),
        () => undefined,
      );
    shown.clear();
  }
}

async function look(run: Run, shown: ProgressLines, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    // Right after a start, and while the worker starts, nobody answers yet.
    const progress = await Promise.race([run.progress().catch(() => undefined), untilAborted(over)]);
    if (progress !== undefined) shown.show(progress);
    await sleep(LOOK_MILLISECONDS, undefined, { signal: over }).catch(() => undefined);
  }
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

class ProgressLines {
  readonly #began = new Map<string, number>();
  #stages: readonly StageProgress[] = [];
  #judges = 0;
  #pausedSince: string | undefined;
  #status = false;

  show({ stages, completed, warnings, iterations, paused }: RunProgress): void {
    this.clear();
    this.#showPause(paused);
    for (const stage of this.#stages)
      if (!stages.some((other) => name(other) === name(stage))) this.#finished(stage);
    for (const stage of stages) if (!this.#began.has(name(stage))) this.#began.set(name(stage), Date.now());
    this.#stages = stages;
    for (const judge of completed.slice(this.#judges)) {
      for (const { benchmark, accuracy, positionConsistentAccuracy } of judge.evaluations) {
        const figures = `accuracy ${percent(accuracy)}, in both orders ${percent(positionConsistentAccuracy)}`;
        console.error(`  M_${judge.iteration} on ${benchmark}: ${figures}`);
      }
    }
    if (this.#judges === 0 && completed.length > 0)
      for (const warning of warnings) console.error(`  Warning: ${warning}`);
    this.#judges = completed.length;
    if (!process.stderr.isTTY) return;
    const now = stages.map(({ name: stage, done, of }) =>
      of === undefined ? stage : `${stage} ${done ?? 0}/${of}`,
    );
    const iteration = Math.max(0, ...stages.map((stage) => stage.iteration));
    process.stderr.write(
      `  iteration ${iteration}/${iterations}: ${paused === undefined ? '' : 'paused, '}${now.join(', ')}`.slice(
        0,
        (process.stderr.columns ?? 80) - 1,
      ),
    );
    this.#status = true;
  }

  /** Takes the line about what is under way off a terminal. */
  clear(): void {
    if (this.#status) process.stderr.write('\r\u001b[2K');
    this.#status = false;
  }

  /** A line when a pause begins and one when it is over, on a terminal or not. */
  #showPause(paused: RunProgress['paused']): void {
    if (paused?.since === this.#pausedSince) return;
    this.#pausedSince = paused?.since;
    console.error(paused === undefined ? '  Goes on.' : `  Paused since ${paused.since}: ${paused.reason}`);
  }

  #finished(stage: StageProgress): void {
    const seconds = (Date.now() - (this.#began.get(name(stage)) ?? Date.now())) / 1000;
    this.#began.delete(name(stage));
    console.error(
      `  ${`iteration ${stage.iteration}  ${stage.name}`.padEnd(48)} ${seconds.toFixed(1).padStart(6)} s`,
    );
  }
}

function name({ name: stage, iteration }: StageProgress): string {
  return `${iteration}/${stage}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
