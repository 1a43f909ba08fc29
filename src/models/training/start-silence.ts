import { z } from 'zod';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { readJsonObject } from '../../store/objects/read-json-object.ts';
import { startPrefix } from './trainer-starts.ts';

const silenceSchema = z.object({ sign: z.string(), seconds: z.number() });

/** A trainer renews its lease more often than this; a longer silence is recorded, at most once in each second. */
const RECORDED_FROM_SECONDS = 3;
const RECORD_INTERVAL_SECONDS = 1;

/**
 * Measures for how long a start has shown no new sign of life. Only the time during which somebody looked counts, by the
 * monotonic clock of the one who looked, so neither a wrong clock nor a pause of all followers makes a living trainer look
 * dead. `starts/TOKEN/silence.json` hands the time on to the next follower, and to the next trainer (trainer/lease.py):
 * none lives long enough for it alone with certainty.
 */
export class StartSilence {
  readonly #training: ObjectStore;
  readonly #observed = new Map<string, Observation>();

  constructor(training: ObjectStore) {
    this.#training = training;
  }

  /**
   * Returns the seconds for which a start is known to have shown the same sign.
   * @param sign the time of its lease's last renewal as it wrote it; empty before its first
   */
  async seconds(token: string, sign: string): Promise<number> {
    const key = `${startPrefix(token)}/silence.json`;
    let observation = this.#observed.get(token);
    if (observation?.sign !== sign) {
      const before = await readJsonObject(this.#training, key, silenceSchema).catch(() => undefined);
      const seconds = before?.sign === sign ? before.seconds : 0;
      observation = { sign, since: performance.now() - 1000 * seconds, recorded: seconds };
      this.#observed.set(token, observation);
    }
    const seconds = (performance.now() - observation.since) / 1000;
    if (seconds >= Math.max(RECORDED_FROM_SECONDS, observation.recorded + RECORD_INTERVAL_SECONDS)) {
      observation.recorded = seconds;
      // If it can't be written, the next follower begins anew.
      await this.#training.put(key, `${JSON.stringify({ sign, seconds })}\n`).catch(() => undefined);
    }
    return seconds;
  }
}

interface Observation {
  readonly sign: string;
  readonly since: number;
  recorded: number;
}
