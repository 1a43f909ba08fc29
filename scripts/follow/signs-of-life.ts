import type { RunProgress } from '../../src/client.ts';
import { rates, type ShownStage, stageLabel, timeOf } from './stage-words.ts';

const MINUTE = 60_000;
/** However fast a stage is, its lines are no closer than this. */
const LEAST_MILLISECONDS = 10_000;

/** A line now and then for each stage that takes long: after a tenth of it, or a minute. */
export class SignsOfLife {
  readonly #last = new Map<string, { at: number; share: number }>();

  /** @param now milliseconds since the epoch */
  in({ stages, iterations }: RunProgress, now: number): string[] {
    return stages.flatMap((stage) =>
      this.of(stage, stageLabel(stage.name, stage.iteration, iterations), now),
    );
  }

  /** The line of one stage, called `label`, or none. */
  of(stage: ShownStage, label: string, now: number): string[] {
    const { startedAt, done = 0, of = 0, unit = '' } = stage;
    const key = `${label}/${startedAt}`;
    const share = of > 0 ? done / of : 0;
    const last = this.#last.get(key);
    const since = now - (last?.at ?? now);
    const isDue =
      since >= MINUTE || (since >= LEAST_MILLISECONDS && share - (last?.share ?? 0) >= 0.1 - 1e-9);
    if (last === undefined || isDue) this.#last.set(key, { at: now, share });
    if (!isDue) return [];
    const words = [...(of > 0 ? [`${done}/${of} ${unit}`] : []), ...rates(stage, now), timeOf(stage, now)];
    return [`  ${label}: ${words.join(', ')}`];
  }
}
