import type { RunProgress } from '../../client/index.ts';
import { displayedStages, rates, type DisplayedStage, stageLabel, timeText } from './stage-text.ts';

const MINUTE = 60_000;
/** The minimum interval between two lines of a stage. */
const MIN_INTERVAL_MILLISECONDS = 10_000;

/** Prints a line for each long stage: after every tenth of it, or every minute. */
export class PeriodicProgress {
  readonly #last = new Map<string, { at: number; share: number }>();

  /** @param now milliseconds since the epoch */
  dueLines(progress: RunProgress, now: number): string[] {
    return displayedStages(progress).flatMap((stage) =>
      this.dueLinesOfStage(stage, stageLabel(stage.name, stage.iteration, progress.requestedIterations), now),
    );
  }

  /** The line of one stage, or none if none is due. */
  dueLinesOfStage(stage: DisplayedStage, label: string, now: number): string[] {
    const { startedAt, done = 0, total: of = 0, unit = '' } = stage;
    const key = `${label}/${startedAt}`;
    const share = of > 0 ? done / of : 0;
    const last = this.#last.get(key);
    const since = now - (last?.at ?? now);
    const isDue =
      since >= MINUTE || (since >= MIN_INTERVAL_MILLISECONDS && share - (last?.share ?? 0) >= 0.1 - 1e-9);
    if (last === undefined || isDue) this.#last.set(key, { at: now, share });
    if (!isDue) return [];
    const parts = [...(of > 0 ? [`${done}/${of} ${unit}`] : []), ...rates(stage, now), timeText(stage, now)];
    return [`  ${label}: ${parts.join(', ')}`];
  }
}
