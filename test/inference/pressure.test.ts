import assert from 'node:assert/strict';
import { Lane } from '../../src/inference/lane.ts';
import { Turns } from '../../src/inference/turns.ts';
import { type SimulatedTime, simulatedTime } from './simulated-time.ts';

const MOST = 256;

interface Server {
  /** Requests that it takes in any second; more are refused. */
  readonly perSecond?: number;
  /** Requests that it takes at once; more are refused. */
  readonly atOnce?: number;
  readonly seconds: number;
  readonly retryAfterSeconds?: number;
  /** Requests that it works on at once; the others wait in its queue, which it tells. */
  readonly slots?: number;
}

interface Seen {
  answered: number;
  refused: number;
}

/** Asks a simulated server as much as it takes. */
class Pressure {
  readonly time: SimulatedTime = simulatedTime();
  readonly lane = new Lane('http://simulated/v1', {
    bounds: { minimum: 1, maximum: MOST },
    clock: this.time,
    random: () => 0.5,
  });
  readonly #turns = new Turns(this.time);
  readonly #allowedAt: number[] = [];
  server: Server;
  seen: Seen = { answered: 0, refused: 0 };
  #atWork = 0;
  /** Draws the same numbers each time. */
  #drawn = 1;

  constructor(server: Server) {
    this.server = server;
    for (let worker = 0; worker < MOST; worker++) void this.#askOnAndOn();
  }

  /** What was seen within the next so many seconds. */
  async during(seconds: number): Promise<Seen> {
    this.seen = { answered: 0, refused: 0 };
    await this.time.pass(seconds);
    return this.seen;
  }

  get queued(): number {
    return Math.max(0, this.#atWork - (this.server.slots ?? Infinity));
  }

  async #askOnAndOn(): Promise<void> {
    for (let refusals = 0; ;) {
      const turn = await this.#turns.take({ lanes: [this.lane], whenDown: 'wait' });
      await this.#sleep(0.002 * this.#draw());
      if (this.#isTooMuch()) {
        this.seen.refused += 1;
        const { retryAfterSeconds } = this.server;
        turn.end({ kind: 'failed', reason: 'rate-limit', text: '429', retryAfterSeconds });
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
      turn.end({ kind: 'answered' });
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
    it(`that allows 200 requests a second is found within a tenth, few refused, when an answer takes ${seconds} s`, async () => {
      const seen = await new Pressure({ perSecond: 200, seconds }).during(30);
      assert(seen.answered / 30 >= 180, `${seen.answered / 30} answers a second`);
      assert(share(seen) < 0.05, `${share(seen)} refused`);
    });
  }

  it('that allows five a second of long answers is not taken for one that allows few at once', async () => {
    const pressure = new Pressure({ perSecond: 5, seconds: 20 });
    await pressure.during(60);
    const seen = await pressure.during(60);
    assert(seen.answered / 60 >= 4, `${seen.answered / 60} answers a second`);
    assert(share(seen) < 0.1, `${share(seen)} refused`);
  });

  it('that allows 50 requests at once gets nearly so many, few refused, and the limit falls to it', async () => {
    const pressure = new Pressure({ atOnce: 50, seconds: 10 });
    await pressure.during(30);
    assert(pressure.lane.limit >= 40 && pressure.lane.limit <= 55, String(pressure.lane.limit));
    const seen = await pressure.during(300);
    assert(seen.answered / 300 >= 0.85 * 5, `${seen.answered / 300} answers a second`);
    assert(share(seen) < 0.05, `${share(seen)} refused`);
  });

  it('is given as much as before again once it allows it', async () => {
    const pressure = new Pressure({ perSecond: 20, seconds: 0.05 });
    await pressure.during(20);
    assert((pressure.lane.rate ?? Infinity) < 25);
    pressure.server = { perSecond: 400, seconds: 0.05 };
    await pressure.during(40);
    const seen = await pressure.during(10);
    assert(seen.answered / 10 >= 350, `${seen.answered / 10} answers a second`);
  });

  it('is not asked before the time that it asks for', async () => {
    const pressure = new Pressure({ perSecond: 50, seconds: 0.02, retryAfterSeconds: 7 });
    await pressure.during(0.9);
    assert(pressure.seen.refused > 0);
    assert.equal((await pressure.during(5)).answered, 0);
    assert((await pressure.during(10)).answered > 100);
  });

  it('that refuses nothing is held back by nothing but the bound, within two seconds', async () => {
    const pressure = new Pressure({ seconds: 0.05 });
    await pressure.during(2);
    const seen = await pressure.during(5);
    assert(seen.answered / 5 >= (0.95 * MOST) / 0.05, `${seen.answered / 5} answers a second`);
    assert.equal(pressure.lane.limit, MOST);
    assert.equal(pressure.lane.rate, undefined);
  });

  it('whose server tells a long queue is given fewer requests, until the queue is short', async () => {
    const pressure = new Pressure({ seconds: 1, slots: 32 });
    await pressure.during(5);
    const before = pressure.queued;
    for (let look = 0; look < 60; look++) {
      pressure.lane.serverQueue(pressure.queued);
      await pressure.during(2);
    }
    assert(before > 150, String(before));
    assert(pressure.queued <= 16, `${pressure.queued} wait in its queue`);
    assert(pressure.lane.limit >= 32, 'all of it is at work');
  });

  it('that times out or answers 5xx now and then is given fewer requests at once, more again when it answers', async () => {
    const { lane, time } = new Pressure({ seconds: 1 });
    await time.pass(3);
    const sending = lane.begin('wait');
    lane.end(sending, { kind: 'failed', reason: 'time-out', text: 'slow', retryAfterSeconds: undefined });
    const fallen = lane.limit;
    assert(fallen < 0.75 * MOST, String(fallen));
    // What fails together counts once.
    const again = lane.begin('wait');
    lane.end(again, { kind: 'failed', reason: 'server-error', text: '503', retryAfterSeconds: undefined });
    assert.equal(lane.limit, fallen);
    await time.pass(30);
    assert.equal(lane.limit, MOST);
  });

  it('keeps a fixed number of requests where the bounds are the same', async () => {
    const bounds = { minimum: 7, maximum: 7 };
    const lane = new Lane('x', { bounds, clock: simulatedTime(), random: () => 0.5 });
    for (let time = 0; time < 5; time++) {
      const sending = lane.begin('wait');
      lane.end(sending, { kind: 'failed', reason: 'time-out', text: 'slow', retryAfterSeconds: undefined });
      lane.end(lane.begin('wait'), { kind: 'answered' });
    }
    lane.serverQueue(1000);
    assert.equal(lane.limit, 7);
  });
});

describe('the breaker of an endpoint (simulated time)', () => {
  const time = simulatedTime();
  const lane = new Lane('http://simulated/v1', {
    bounds: { minimum: 1, maximum: 8 },
    clock: time,
    random: () => 0.5,
  });
  const down = { kind: 'failed', reason: 'network', text: 'refused', retryAfterSeconds: undefined } as const;
  const isAsked = () => lane.readyAt(time.now(), 'wait') <= time.now();

  it('opens after five failures in a row, and says since when and why', async () => {
    for (let failure = 0; failure < 4; failure++) lane.end(lane.begin('wait'), down);
    lane.end(lane.begin('wait'), { kind: 'answered' });
    for (let failure = 0; failure < 4; failure++) lane.end(lane.begin('wait'), down);
    assert.equal(lane.state, 'closed');
    await time.pass(3);
    lane.end(lane.begin('wait'), down);
    assert.equal(lane.state, 'open');
    assert.deepEqual(lane.outage, {
      reason: 'network',
      text: 'refused',
      since: 0,
      everySeconds: 30,
      kind: 'failed',
      retryAfterSeconds: undefined,
    });
    assert(!isAsked());
  });

  it('lets one request find out, later and later, at most half a minute apart', async () => {
    const pauses: number[] = [];
    for (let probe = 0; probe < 8; probe++) {
      const from = time.now();
      while (!isAsked()) await time.pass(0.1);
      pauses.push(Math.round(time.now() - from));
      const sending = lane.begin('wait');
      assert.equal(lane.state, 'half-open');
      assert(!isAsked(), 'only one');
      lane.end(sending, down);
    }
    assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
  });

  it('does not hold back the requests to a server of ours, which fail so that it is served again', () => {
    assert(lane.readyAt(time.now(), 'fail') <= time.now());
  });

  it('lets another one find out when that one was given up', async () => {
    while (!isAsked()) await time.pass(0.1);
    lane.end(lane.begin('wait'), { kind: 'given-up' });
    assert(isAsked());
  });

  it('closes with an answer', () => {
    lane.end(lane.begin('wait'), { kind: 'answered' });
    assert.equal(lane.state, 'closed');
    assert.equal(lane.outage, undefined);
    assert(isAsked());
  });

  it('takes refusals (429) for an outage only where nothing was answered for ten seconds', async () => {
    const refused = { ...down, reason: 'rate-limit', text: '429' } as const;
    for (let failure = 0; failure < 9; failure++) lane.end(lane.begin('wait'), refused);
    assert.equal(lane.state, 'closed');
    await time.pass(11);
    for (let failure = 0; failure < 5; failure++) lane.end(lane.begin('wait'), refused);
    assert.equal(lane.state, 'open');
  });
});
