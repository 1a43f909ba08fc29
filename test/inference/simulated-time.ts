/** A clock whose time is made by what waits for it: hours pass at once, and the same way each time. */
import type { Clock } from '../../src/inference/clock.ts';

interface Event {
  readonly at: number;
  readonly run: () => void;
}

export interface SimulatedTime extends Clock {
  /** Lets so many seconds pass, with all that happens in them. */
  pass(seconds: number): Promise<void>;
}

export function simulatedTime(): SimulatedTime {
  let time = 0;
  const events = new Set<Event>();
  const next = (): Event | undefined =>
    [...events].reduce<Event | undefined>(
      (first, each) => (first && first.at <= each.at ? first : each),
      undefined,
    );
  return {
    now: () => time,
    after(seconds, run) {
      const event = { at: time + Math.max(0, seconds), run };
      events.add(event);
      return () => events.delete(event);
    },
    async pass(seconds) {
      const end = time + seconds;
      for (let event = next(); event !== undefined && event.at <= end; event = next()) {
        events.delete(event);
        time = Math.max(time, event.at);
        event.run();
        // What waited for it goes on before the next event.
        await Promise.resolve();
        await Promise.resolve();
        await Promise.resolve();
      }
      time = end;
    },
  };
}
