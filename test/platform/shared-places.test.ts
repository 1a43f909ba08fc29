import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SharedPlaces } from '../../src/platform/shared-places.ts';

describe('shared places', () => {
  const never = new AbortController().signal;
  let running: Map<string, { end: () => void; fail: (error: Error) => void }>;
  const work = (item: string) =>
    new Promise<void>((resolve, reject) => {
      running.set(item, {
        end: () => {
          running.delete(item);
          resolve();
        },
        fail: (error) => {
          running.delete(item);
          reject(error);
        },
      });
    });
  const end = async (item: string) => {
    running.get(item)!.end();
    await nextTurn();
  };
  const started = () => [...running.keys()].join(' ');

  beforeEach(() => {
    running = new Map();
  });

  it('begin a list in the places that an earlier one leaves, and never work on more items than there are places', async () => {
    const places = new SharedPlaces(2);
    const first = places.forEach(0, ['a1', 'a2', 'a3'], work, never);
    const second = places.forEach(1, ['b1', 'b2'], work, never);
    assert.equal(started(), 'a1 a2');
    await end('a1');
    assert.equal(started(), 'a2 a3');
    await end('a3');
    assert.equal(started(), 'a2 b1');
    await end('a2');
    await first;
    assert.equal(started(), 'b1 b2');
    await Promise.all([end('b1'), end('b2'), second]);
    assert.equal(places.unstarted, 0);
  });

  it('go on with the lists of a lower order first, whichever came first', async () => {
    const places = new SharedPlaces(1);
    const lists = [
      places.forEach(7, ['late', 'later'], work, never),
      places.forEach(2, ['early'], work, never),
    ];
    await end('late');
    assert.equal(started(), 'early');
    await end('early');
    await Promise.all([end('later'), ...lists]);
  });

  it('start more items once there are more places', async () => {
    const places = new SharedPlaces(0);
    const list = places.forEach(0, ['a', 'b', 'c'], work, never);
    assert.equal(started(), '');
    places.resize(2);
    assert.equal(started(), 'a b');
    places.resize(1);
    await end('a');
    assert.equal(started(), 'b');
    await end('b');
    await Promise.all([end('c'), list]);
  });

  it('start no other item of a list after a failure, await the running ones, and go on with other lists', async () => {
    const places = new SharedPlaces(2);
    const failing = places.forEach(0, ['a1', 'a2', 'a3'], work, never);
    const other = places.forEach(1, ['b'], work, never);
    let ended = false;
    failing.catch(() => (ended = true));
    running.get('a1')!.fail(new Error('broken'));
    await nextTurn();
    assert.equal(started(), 'a2 b');
    assert(!ended);
    await end('a2');
    await assert.rejects(failing, /broken/);
    await Promise.all([end('b'), other]);
  });

  it('end a list whose signal aborts, at once if none of its items runs', async () => {
    const places = new SharedPlaces(1);
    const aborting = new AbortController();
    const first = places.forEach(0, ['a1', 'a2'], work, never);
    const waiting = places.forEach(1, ['b'], work, aborting.signal);
    aborting.abort(new Error('cancelled'));
    await assert.rejects(waiting, /cancelled/);
    await assert.rejects(places.forEach(2, ['c'], work, aborting.signal), /cancelled/);
    await end('a1');
    assert.equal(started(), 'a2');
    await Promise.all([end('a2'), first]);
  });
});
