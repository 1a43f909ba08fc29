import assert from 'node:assert/strict';
import { EndpointState } from '../../../src/models/inference/endpoint-state.ts';
import { RequestScheduler } from '../../../src/models/inference/request-scheduler.ts';
import { type SimulatedTime, simulatedTime } from '../../support/simulated-time.ts';

const MOST = 256;

interface Server {
  /** Requests that it accepts in any second; it refuses more. */
  readonly perSecond?: number;
  /** Concurrent requests that it accepts; it refuses more. */
  readonly atOnce?: number;
  readonly seconds: number;
  readonly retryAfterSeconds?: number;
  /** Samples that it makes at the same time; the others wait in its queue, whose length it reports. */
  readonly slots?: number;
  /** The samples of each request; 1 by default. */
  readonly samples?: number;
}

interface Seen {
  answered: number;
  refused: number;
}

/** Sends a simulated server as many requests as it accepts. */
class Pressure {
  readonly time: SimulatedTime = simulatedTime();
  readonly endpointState = new EndpointState('http://simulated/v1', {
    bounds: { minimum: 1, maximum: MOST },
    clock: this.time,
    random: () => 0.5,
  });
  readonly #scheduler = new RequestScheduler(this.time);
  readonly #allowedAt: number[] = [];
  server: Server;
  seen: Seen = { answered: 0, refused: 0 };
  #atWork = 0;
  /** A reproducible sequence of random numbers. */
  #drawn = 1;

  constructor(server: Server) {
    this.server = server;
    for (let worker = 0; worker < MOST; worker++) void this.#askOnAndOn();
  }

  /** Runs for some seconds and returns what happened. */
  async during(seconds: number): Promise<Seen> {
    this.seen = { answered: 0, refused: 0 };
    await this.time.pass(seconds);
    return this.seen;
  }

  get queued(): number {
    const { samples = 1, slots = Infinity } = this.server;
    return Math.max(0, samples * this.#atWork - slots);
  }

  async #askOnAndOn(): Promise<void> {
    for (let refusals = 0; ;) {
      const permit = await this.#scheduler.acquire({
        endpointStates: [this.endpointState],
        onUnavailable: 'wait',
        samples: this.server.samples ?? 1,
      });
      await this.#sleep(0.002 * this.#draw());
      if (this.#isTooMuch()) {
        this.seen.refused += 1;
        const { retryAfterSeconds } = this.server;
        permit.release({ kind: 'failed', reason: 'rate-limit', text: '429', retryAfterSeconds });
        refusals += 1;
        await this.#sleep(Math.min(8, 0.5 * 2 ** (refusals - 1)) * (0.5 + this.#draw() / 2));
        continue;
      }
      this.#allowedAt.push(this.time.now());
      this.#atWork += 1;
      const inTurn = 1 + this.queued / (this.server.slots ?? Infinity);
      await this.#sleep(this.server.seconds * inTurn * (0.9 + 0.2 * this.#draw()));
      this.#atWork -= 1;
      this.seen.answered += 1;
      refusals = 0;
      permit.release({ kind: 'answered' });
    }
  }

  #isTooMuch(): boolean {
    const { perSecond = Infinity, atOnce = Infinity } = this.server;
    while ((this.#allowedAt[0] ?? Infinity) <= this.time.now() - 1) this.#allowedAt.shift();
    return this.#allowedAt.length >= perSecond || this.#atWork >= atOnce;
  }

  #sleep(seconds: number): Promise<void> {
    return new Promise((resolve) => this.time.after(seconds, resolve));
  }

  #draw(): number {
    this.#drawn = (this.#drawn * 16807) % 2147483647;
    return this.#drawn / 2147483647;
  }
}

const share = ({ answered, refused }: Seen): number => refused / (answered + refused);

describe('an endpoint under pressure (simulated time)', function () {
  this.timeout(60_000);

  for (const seconds of [0.005, 0.02, 0.5]) {
    it(`that allows 200 requests a second gets at least 90% of them with few refusals, when an answer takes ${seconds} s`, async () => {
      const seen = await new Pressure({ perSecond: 200, seconds }).during(30);
      assert(seen.answered / 30 >= 180, `${seen.answered / 30} answers a second`);
      assert(share(seen) < (seconds < 0.1 ? 0.005 : 0.05), `${share(seen)} refused`);
    });
  }

  it('that allows five requests a second with long answers is limited by rate, not by concurrency', async () => {
    const pressure = new Pressure({ perSecond: 5, seconds: 20 });
    await pressure.during(60);
    const seen = await pressure.during(60);
    assert(seen.answered / 60 >= 4, `${seen.answered / 60} answers a second`);
    assert(share(seen) < 0.1, `${share(seen)} refused`);
  });

  it('that allows 50 concurrent requests gets nearly as many with few refusals, and the limit falls to that', async () => {
    const pressure = new Pressure({ atOnce: 50, seconds: 10 });
    await pressure.during(30);
    assert(
      pressure.endpointState.concurrencyLimit >= 40 && pressure.endpointState.concurrencyLimit <= 55,
      String(pressure.endpointState.concurrencyLimit),
    );
    const seen = await pressure.during(300);
    assert(seen.answered / 300 >= 0.85 * 5, `${seen.answered / 300} answers a second`);
    assert(share(seen) < 0.05, `${share(seen)} refused`);
  });

  it('gets as many requests as before once it allows them again', async () => {
    const pressure = new Pressure({ perSecond: 20, seconds: 0.05 });
    await pressure.during(20);
    assert((pressure.endpointState.rateLimit ?? Infinity) < 25);
    pressure.server = { perSecond: 400, seconds: 0.05 };
    await pressure.during(40);
    const seen = await pressure.during(10);
    assert(seen.answered / 10 >= 350, `${seen.answered / 10} answers a second`);
  });

  it('gets no request before the time that Retry-After names', async () => {
    const pressure = new Pressure({ perSecond: 50, seconds: 0.02, retryAfterSeconds: 7 });
    await pressure.during(0.9);
    assert(pressure.seen.refused > 0);
    assert.equal((await pressure.during(5)).answered, 0);
    assert((await pressure.during(10)).answered > 100);
  });

  it('that refuses nothing reaches the maximum concurrency within two seconds', async () => {
    const pressure = new Pressure({ seconds: 0.05 });
    await pressure.during(2);
    const seen = await pressure.during(5);
    assert(seen.answered / 5 >= (0.95 * MOST) / 0.05, `${seen.answered / 5} answers a second`);
    assert.equal(pressure.endpointState.concurrencyLimit, MOST);
    assert.equal(pressure.endpointState.rateLimit, undefined);
  });

  it('that answers fast reaches the maximum concurrency sooner, because its refusals would come as fast', async () => {
    const pressure = new Pressure({ seconds: 0.05 });
    const seen = await pressure.during(1);
    assert(seen.answered >= (0.45 * MOST) / 0.05, `${seen.answered} answers in the first second`);
  });

  it('that reports a long queue gets fewer requests until the queue is short', async () => {
    const pressure = new Pressure({ seconds: 1, slots: 32 });
    await pressure.during(5);
    const before = pressure.queued;
    for (let look = 0; look < 60; look++) {
      pressure.endpointState.reportServerQueue(pressure.queued);
      await pressure.during(2);
    }
    assert(before > 150, String(before));
    assert(pressure.queued <= 16, `${pressure.queued} wait in its queue`);
    assert(pressure.endpointState.concurrencyLimit >= 32, 'all of it is at work');
  });

  it('that queues each sample of a request keeps as many whole requests in its queue as it would with one sample each', async () => {
    const pressure = new Pressure({ seconds: 1, slots: 64, samples: 8 });
    await pressure.during(5);
    for (let look = 0; look < 60; look++) {
      pressure.endpointState.reportServerQueue(pressure.queued);
      await pressure.during(2);
    }
    const { concurrencyLimit } = pressure.endpointState;
    assert(concurrencyLimit >= 10 && concurrencyLimit <= 12, `${concurrencyLimit} requests for 8 at work`);
  });

  it('that sometimes times out or answers 5xx gets fewer concurrent requests, and more again when it answers', async () => {
    const { endpointState, time } = new Pressure({ seconds: 1 });
    await time.pass(3);
    const sending = endpointState.beginRequest('wait');
    endpointState.endRequest(sending, {
      kind: 'failed',
      reason: 'timeout',
      text: 'slow',
      retryAfterSeconds: undefined,
    });
    const fallen = endpointState.concurrencyLimit;
    assert(fallen < 0.75 * MOST, String(fallen));
    // Requests that fail together decrease the limit once.
    const again = endpointState.beginRequest('wait');
    endpointState.endRequest(again, {
      kind: 'failed',
      reason: 'server-error',
      text: '503',
      retryAfterSeconds: undefined,
    });
    assert.equal(endpointState.concurrencyLimit, fallen);
    await time.pass(30);
    assert.equal(endpointState.concurrencyLimit, MOST);
  });

  it('gets a fixed number of concurrent requests if both bounds are the same', async () => {
    const bounds = { minimum: 7, maximum: 7 };
    const endpointState = new EndpointState('x', { bounds, clock: simulatedTime(), random: () => 0.5 });
    for (let time = 0; time < 5; time++) {
      const sending = endpointState.beginRequest('wait');
      endpointState.endRequest(sending, {
        kind: 'failed',
        reason: 'timeout',
        text: 'slow',
        retryAfterSeconds: undefined,
      });
      endpointState.endRequest(endpointState.beginRequest('wait'), { kind: 'answered' });
    }
    endpointState.reportServerQueue(1000);
    assert.equal(endpointState.concurrencyLimit, 7);
  });
});

describe('the breaker of an endpoint (simulated time)', () => {
  const time = simulatedTime();
  const endpointState = new EndpointState('http://simulated/v1', {
    bounds: { minimum: 1, maximum: 8 },
    clock: time,
    random: () => 0.5,
  });
  const down = { kind: 'failed', reason: 'network', text: 'refused', retryAfterSeconds: undefined } as const;
  const isAsked = () => endpointState.readyAt(time.now(), 'wait') <= time.now();

  it('opens after five failures in a row, and reports since when and why', async () => {
    for (let failure = 0; failure < 4; failure++)
      endpointState.endRequest(endpointState.beginRequest('wait'), down);
    endpointState.endRequest(endpointState.beginRequest('wait'), { kind: 'answered' });
    for (let failure = 0; failure < 4; failure++)
      endpointState.endRequest(endpointState.beginRequest('wait'), down);
    assert.equal(endpointState.breakerState, 'closed');
    await time.pass(3);
    endpointState.endRequest(endpointState.beginRequest('wait'), down);
    assert.equal(endpointState.breakerState, 'open');
    assert.deepEqual(endpointState.outage, {
      reason: 'network',
      text: 'refused',
      since: 0,
      probeIntervalSeconds: 30,
      kind: 'failed',
      retryAfterSeconds: undefined,
    });
    assert(!isAsked());
  });

  it('allows one probe request at growing intervals of at most half a minute', async () => {
    const pauses: number[] = [];
    for (let probe = 0; probe < 8; probe++) {
      const from = time.now();
      while (!isAsked()) await time.pass(0.1);
      pauses.push(Math.round(time.now() - from));
      const sending = endpointState.beginRequest('wait');
      assert.equal(endpointState.breakerState, 'half-open');
      assert(!isAsked(), 'only one');
      endpointState.endRequest(sending, down);
    }
    assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
  });

  it('does not delay requests to a server of ours, which fail so that it is started again', () => {
    assert(endpointState.readyAt(time.now(), 'fail') <= time.now());
  });

  it('allows another probe when one was aborted', async () => {
    while (!isAsked()) await time.pass(0.1);
    endpointState.endRequest(endpointState.beginRequest('wait'), { kind: 'aborted' });
    assert(isAsked());
  });

  it('closes after an answer', () => {
    endpointState.endRequest(endpointState.beginRequest('wait'), { kind: 'answered' });
    assert.equal(endpointState.breakerState, 'closed');
    assert.equal(endpointState.outage, undefined);
    assert(isAsked());
  });

  it('counts refusals (429) as an outage only if nothing was answered for ten seconds', async () => {
    const refused = { ...down, reason: 'rate-limit', text: '429' } as const;
    for (let failure = 0; failure < 9; failure++)
      endpointState.endRequest(endpointState.beginRequest('wait'), refused);
    assert.equal(endpointState.breakerState, 'closed');
    await time.pass(11);
    for (let failure = 0; failure < 5; failure++)
      endpointState.endRequest(endpointState.beginRequest('wait'), refused);
    assert.equal(endpointState.breakerState, 'open');
  });
});
