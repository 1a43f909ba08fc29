import assert from 'node:assert/strict';
import { ConcurrencyLimiter } from '../../../src/models/inference/concurrency-limiter.ts';
import { stableHash } from '../../../src/platform/stable-hash.ts';

const PLACES = 256;
const SECONDS = 600;
/** Seconds between two looks at the server's queue. */
const LOOK_SECONDS = 2;

/** Seconds of a sample: log-normal around 5 s. */
function latencyOf(sample: number): number {
  const [one, other] = ['one', 'other'].map(
    (name) => (Number.parseInt(stableHash(name, sample).slice(0, 8), 16) + 0.5) / 2 ** 32,
  ) as [number, number];
  return 5 * Math.exp(0.6 * Math.sqrt(-2 * Math.log(one)) * Math.cos(2 * Math.PI * other));
}

/**
 * Asks a server that works on 256 samples at once and tells how many wait, as often as the limiter allows, in steps of 20 ms of
 * simulated time. Returns the busy share of its places and the mean length of its queue, both from the middle on.
 */
function serve(samplesOfRequest: number): { busyShare: number; queue: number } {
  const limiter = new ConcurrencyLimiter({ minimum: 1, maximum: 256 });
  const queue: { samplesLeft: number }[] = [];
  let atWork: { readonly endsAt: number; readonly request: { samplesLeft: number } }[] = [];
  let samples = 0;
  const seen = { steps: 0, busy: 0, queued: 0 };
  for (let step = 0; step < SECONDS * 50; step++) {
    const now = step / 50;
    for (const { endsAt, request } of atWork) {
      if (endsAt > now) continue;
      request.samplesLeft -= 1;
      if (request.samplesLeft > 0) continue;
      limiter.recordEnd(samplesOfRequest);
      limiter.recordAnswer(samplesOfRequest);
    }
    atWork = atWork.filter(({ endsAt }) => endsAt > now);
    if (step % (LOOK_SECONDS * 50) === 0) limiter.reportServerQueue(queue.length, now);
    while (!limiter.isFull) {
      limiter.recordSent(samplesOfRequest);
      const request = { samplesLeft: samplesOfRequest };
      queue.push(...Array.from({ length: samplesOfRequest }, () => request));
    }
    for (const request of queue.splice(0, PLACES - atWork.length))
      atWork.push({ endsAt: now + latencyOf(samples++), request });
    if (now < SECONDS / 2) continue;
    seen.steps += 1;
    seen.busy += atWork.length;
    seen.queued += queue.length;
  }
  return { busyShare: seen.busy / seen.steps / PLACES, queue: seen.queued / seen.steps };
}

describe('the limit of requests in flight to a server that tells its queue (simulated time)', () => {
  for (const samples of [1, 4, 15, 32]) {
    it(`keeps it busy with a short queue if a request asks for ${samples} samples`, () => {
      const { busyShare, queue } = serve(samples);
      assert(busyShare >= 0.99, `${busyShare} of its places are busy`);
      assert(queue <= Math.max(PLACES / 2, 5 * samples), `${queue} samples wait`);
    });
  }
});
