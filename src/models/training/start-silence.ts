import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../../platform/atomic-write.ts';
import { readJsonIfExists } from '../../platform/read-json.ts';
import { startFolder } from './trainer-starts.ts';

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
  readonly #outputFolder: string;
  readonly #observed = new Map<string, Observation>();

  constructor(outputFolder: string) {
    this.#outputFolder = outputFolder;
  }

  /**
   * Returns the seconds for which a start is known to have shown the same sign.
   * @param sign the time of its lease's last renewal as it wrote it; empty before its first
   */
  async seconds(token: string, sign: string): Promise<number> {
    const file = join(startFolder(this.#outputFolder, token), 'silence.json');
    let observation = this.#observed.get(token);
    if (observation?.sign !== sign) {
      const before = await readJsonIfExists(file, silenceSchema).catch(() => undefined);
      const seconds = before?.sign === sign ? before.seconds : 0;
      observation = { sign, since: performance.now() - 1000 * seconds, recorded: seconds };
      this.#observed.set(token, observation);
    }
    const seconds = (performance.now() - observation.since) / 1000;
    if (seconds >= Math.max(RECORDED_FROM_SECONDS, observation.recorded + RECORD_INTERVAL_SECONDS)) {
      observation.recorded = seconds;
      // If it can't be written, the next follower begins anew.
      await writeFileAtomically(file, `${JSON.stringify({ sign, seconds })}\n`).catch(() => undefined);
    }
    return seconds;
  }
}

interface Observation {
  readonly sign: string;
  readonly since: number;
  recorded: number;
}
