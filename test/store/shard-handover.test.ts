import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { identifyProcess, type ProcessIdentity } from '../../src/platform/process-identity.ts';
import { tryClaim } from '../../src/store/claims.ts';
import { awaitEarlierAttempts, markEnded, markFinishing } from '../../src/store/shard-handover.ts';
import { temporaryStore } from '../support/temporary-store.ts';

const LEASES = 'run/shard.journal/leases';
/** If an attempt is waited for wrongly, the test doesn't end. */
const FOREVER_SECONDS = 1e6;
/** Longer than an attempt that says nothing is waited for. */
const LONGER_THAN_NOTICE = 4000;

describe('an attempt at a shard that takes over from earlier ones', function () {
  this.timeout(60_000);
  const temporary = temporaryStore();
  const claim = async (epoch: number, process: ProcessIdentity | undefined) =>
    assert(await tryClaim(temporary.store.objects, LEASES, epoch - 1, { process }));
  const finishing = (epoch: number, seconds: number) =>
    markFinishing(temporary.store.objects, LEASES, epoch, seconds);
  const ended = (epoch: number) => markEnded(temporary.store.objects, LEASES, epoch);
  const awaitBefore = (epoch: number, signal = new AbortController().signal) =>
    awaitEarlierAttempts(temporary.store.objects, LEASES, epoch, signal);
  let alive: ProcessIdentity;

  before(async () => {
    alive = (await identifyProcess(process.pid))!;
  });

  it('waits as long as the one before finishes its requests, until it has ended', async () => {
    await claim(1, alive);
    await finishing(1, FOREVER_SECONDS);
    let hasReturned = false;
    const waiting = awaitBefore(2).then(() => (hasReturned = true));
    await sleep(LONGER_THAN_NOTICE);
    assert(!hasReturned, 'it has not waited');
    await ended(1);
    await waiting;
  });

  it('also waits for the one before an attempt that was itself taken over while it waited', async () => {
    await claim(1, alive);
    await finishing(1, FOREVER_SECONDS);
    const takenOver = new AbortController();
    await claim(2, alive);
    const second = assert.rejects(awaitBefore(2, takenOver.signal), /taken over/);
    await claim(3, alive);
    takenOver.abort(new Error('taken over'));
    await second;
    await ended(2);
    let hasReturned = false;
    const third = awaitBefore(3).then(() => (hasReturned = true));
    await sleep(1000);
    assert(!hasReturned, 'it has not waited');
    await ended(1);
    await third;
  });

  it('looks again at the one before after this process itself has stood still', async () => {
    await claim(1, alive);
    const clock = performance.now.bind(performance);
    try {
      let hasReturned = false;
      const waiting = awaitBefore(2).then(() => (hasReturned = true));
      await sleep(500);
      await finishing(1, FOREVER_SECONDS);
      performance.now = () => clock() + 10_000;
      await sleep(1000);
      assert(!hasReturned, 'it has not waited');
      await ended(1);
      await waiting;
    } finally {
      performance.now = clock;
    }
  });

  it('does not wait for one whose process has ended', async () => {
    const child = spawn('sleep', ['1000']);
    await once(child, 'spawn');
    await claim(1, await identifyProcess(child.pid!));
    await finishing(1, FOREVER_SECONDS);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await awaitBefore(2);
  });

  it('waits only for a while for one that says nothing, and later attempts no longer', async () => {
    await claim(1, { ...alive, host: 'elsewhere' });
    await awaitBefore(2);
    await claim(2, alive);
    await ended(2);
    await finishing(1, FOREVER_SECONDS);
    await awaitBefore(3);
  });
});
