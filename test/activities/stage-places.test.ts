import assert from 'node:assert/strict';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { StagePlaces } from '../../src/activities/stage-places.ts';

const UNITS = 6;
const PLACES_PER_SHARD = 2;

/** Four places: two shards at once, of six units each. */
describe('the places of a stage', () => {
  const never = new AbortController().signal;
  let running: Map<string, () => void>;
  let handedOver: number[];
  let refuses: boolean;

  beforeEach(() => {
    running = new Map();
    handedOver = [];
    refuses = false;
  });

  const stageOf = (shards: number, concurrentShards = 2) => {
    const places = new StagePlaces();
    const work = { workflowId: 'stage', shards, placesPerShard: PLACES_PER_SHARD, concurrentShards };
    return (shard: number, units = UNITS, signal = never) =>
      places
        .ofShard(work, {
          shard,
          handOver: async () => {
            handedOver.push(shard);
            if (refuses) throw new Error('no connection');
          },
        })
        .forEach(
          Array.from({ length: units }, (_, unit) => `${shard}.${unit}`),
          (unit) =>
            new Promise<void>((resolve) => {
              running.set(unit, () => {
                running.delete(unit);
                resolve();
              });
            }),
          signal,
        );
  };
  const end = async (...units: string[]) => {
    for (const unit of units) running.get(unit)!();
    await nextTurn();
  };
  const inFlight = () => [...running.keys()].sort().join(' ');
  const endAll = async (...shards: Promise<void>[]) => {
    while (running.size > 0) await end(...running.keys());
    await Promise.all(shards);
  };

  it('are those of all shards that run here, and the first shard has them first', async () => {
    const begin = stageOf(9);
    const first = begin(0);
    assert.equal(inFlight(), '0.0 0.1');
    const second = begin(1);
    assert.equal(inFlight(), '0.0 0.1 0.2 0.3');
    await end('0.0', '0.1', '0.2');
    assert.equal(inFlight(), '0.3 0.4 0.5 1.0');
    await endAll(first, second);
  });

  it('are never more than those of the shards that run at once', async () => {
    const begin = stageOf(9);
    const shards = [begin(0), begin(1), begin(2), begin(3)];
    assert.equal(running.size, 4);
    await endAll(...shards);
  });

  it('are handed over while the last requests are in flight, once for each shard, and used by its successor', async () => {
    const begin = stageOf(9, 1);
    const first = begin(0, 3);
    assert.deepEqual(handedOver, []);
    await end('0.0');
    assert.deepEqual(handedOver, [0]);
    const second = begin(1, 1000);
    assert.equal(inFlight(), '0.1 0.2');
    await end('0.1');
    assert.equal(inFlight(), '0.2 1.0');
    await end('0.2');
    await first;
    assert.equal(inFlight(), '1.0 1.1');
    assert.deepEqual(handedOver, [0]);
    await endAll(second);
  });

  it('are not handed over if there is no other shard, and remain for the last ones', async () => {
    const begin = stageOf(2);
    const shards = [begin(0, 2), begin(1, 8)];
    assert.equal(inFlight(), '0.0 0.1 1.0 1.1');
    await end('0.0', '0.1');
    await shards[0];
    assert.equal(inFlight(), '1.0 1.1 1.2 1.3');
    await endAll(...shards);
    assert.deepEqual(handedOver, []);
  });

  it('stay with a shard that could not be handed over', async () => {
    refuses = true;
    const begin = stageOf(9, 1);
    const first = begin(0, 3);
    await end('0.0');
    assert.deepEqual(handedOver, [0]);
    await end('0.1');
    assert.deepEqual(handedOver, [0]);
    await endAll(first);
    const second = begin(1);
    assert.equal(inFlight(), '1.0 1.1');
    await endAll(second);
  });

  it('are not handed over by a shard that is stopped, whose next attempt needs them', async () => {
    const stopping = new AbortController();
    const stopped = assert.rejects(stageOf(9)(0, UNITS, stopping.signal), { message: 'paused' });
    stopping.abort(new Error('paused'));
    await end('0.0');
    await end('0.1');
    await stopped;
    assert.deepEqual(handedOver, []);
  });

  it('are those of all of the first shards, even if one hands over before the others have begun', async () => {
    const begin = stageOf(9);
    const shards = [begin(0, 2), begin(1, 8)];
    assert.deepEqual(handedOver, [0]);
    assert.equal(inFlight(), '0.0 0.1 1.0 1.1');
    await endAll(...shards);
  });

  it('become fewer some seconds after a shard that is followed by one on another worker, and more with one that follows here', async () => {
    const begin = stageOf(9);
    const shards = [begin(0, 3), begin(1, 10_000)];
    await end('0.0', '0.1', '0.2');
    await shards[0];
    assert.equal(running.size, 4);
    while (running.size > PLACES_PER_SHARD) {
      await end([...running.keys()][0]!);
      await sleep(10);
    }
    shards.push(begin(3));
    assert.equal(running.size, 4);
    await endAll(...shards);
  }).timeout(60_000);

  it('are handed over by a further shard if the successor of one has not begun here after a second', async () => {
    const begin = stageOf(9);
    const shards = [begin(0, 2), begin(1, 8)];
    await end('0.0', '0.1', '1.0', '1.1');
    await end('1.2', '1.3');
    assert.equal(inFlight(), '1.4 1.5 1.6 1.7');
    assert.deepEqual(handedOver, [0]);
    await sleep(1100);
    await end('1.4');
    assert.deepEqual(handedOver, [0, 1]);
    await endAll(...shards);
  });

  it('of several stages are independent of each other', async () => {
    const [one, other] = [stageOf(9), stageOf(9)];
    const shards = [one(0), one(1), other(2), other(3)];
    assert.equal(running.size, 8);
    await endAll(...shards);
  });
});
