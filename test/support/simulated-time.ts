/** A simulated clock, which advances immediately to the next timer, so that tests of hours are fast and deterministic. */
import type { InferenceClientOptions } from '../../src/models/inference/client.ts';
import type { Clock } from '../../src/models/inference/clock.ts';

interface Event {
  readonly at: number;
  readonly run: () => void;
}

export interface SimulatedTime extends Clock {
  /** Advances the clock by so many seconds and runs everything that is due. */
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
        // The code that waited for this event runs before the next event.
        await Promise.resolve();
        await Promise.resolve();
        await Promise.resolve();
      }
      time = end;
    },
  };
}

/**
 * Time for a client that waits no real time: a wait advances the clock at once.
 * @param waits gets the seconds of each wait
 */
export function instantWaits(waits: number[]): Required<Pick<InferenceClientOptions, 'wait' | 'clock'>> {
  let time = 0;
  return {
    wait: async (seconds) => {
      waits.push(seconds);
      time += seconds;
    },
    clock: {
      now: () => time,
      after(seconds, run) {
        time += seconds;
        const soon = setImmediate(run);
        return () => clearImmediate(soon);
      },
    },
  };
}
