import assert from 'node:assert/strict';
import type { PendingActivity } from '../../src/temporal/pending-activities.ts';
import { WaitDetector } from '../../src/temporal/wait-detector.ts';

const past = new Date('2026-01-01T00:00:00Z');

function activity(changes: Partial<PendingActivity> = {}): PendingActivity {
  const usual = {
    workflowId: 'run/1/judgePairs',
    key: 'a/1',
    type: 'judgePairs',
    taskQueue: 'queue-inference',
  };
  return { ...usual, state: 'started', attempt: 1, scheduledAt: past, progress: '', ...changes };
}

const failed = (attempt: number, changes: Partial<PendingActivity> = {}) =>
  activity({ attempt, failure: 'the disk is full', failedAt: past, ...changes });
const backingOff = (attempt: number) =>
  failed(attempt, { state: 'scheduled', scheduledAt: new Date(Date.now() + 60_000) });

/** The waits after looks at these seconds. */
function waitsAfter(...looks: readonly (readonly [seconds: number, ...activities: PendingActivity[]])[]) {
  const detector = new WaitDetector();
  return looks.map(([seconds, ...activities]) => detector.look(activities, 1000 * seconds)).at(-1);
}

describe('the detection of what a run waits for', () => {
  it('sees an activity that has failed three times since the last look', () => {
    const wait = {
      workflowId: 'run/1/judgePairs',
      activity: 'judgePairs',
      since: past.toISOString(),
      reason: 'the disk is full',
    };
    assert.deepEqual(waitsAfter([0], [10, backingOff(4)]), [wait]);
    assert.deepEqual(waitsAfter([0], [10, backingOff(3)]), []);
  });

  it('sees an activity that fails rarely, once it has not worked for half a minute', () => {
    assert.deepEqual(waitsAfter([0, activity()], [10, backingOff(2)], [20, backingOff(2)]), []);
    assert.equal(waitsAfter([0, activity()], [10, backingOff(2)], [30, backingOff(2)])?.length, 1);
  });

  it('does not count failures from before an attempt that worked, or before its first look', () => {
    const worked = [
      [0, activity()],
      [10, failed(2)],
      [20, failed(2)],
      [30, failed(2)],
      [45, failed(2)],
    ] as const;
    assert.deepEqual(waitsAfter(...worked), []);
    assert.deepEqual(waitsAfter(...worked, [55, failed(3)]), []);
    assert.deepEqual(waitsAfter([0, failed(40)]), []);
  });

  const minute = [10, 20, 30, 40, 50, 60];
  const twoMinutes = [
    [0],
    ...minute.map((seconds) => [seconds, activity()] as const),
    ...minute.map((seconds) => [60 + seconds, failed(2)] as const),
  ] as const;

  it('forgives one failure of an attempt that lasts, such as the crash of a trainer', () => {
    assert.deepEqual(waitsAfter(...twoMinutes), []);
  });

  it('sees an activity that fails after a minute again and again, until an attempt lasts longer or makes progress', () => {
    const looks = [
      ...twoMinutes,
      ...[10, 20, 30, 40, 50, 60].map((more) => [120 + more, failed(3)] as const),
    ] as const;
    assert.equal(waitsAfter(...looks)?.length, 1);
    assert.deepEqual(waitsAfter(...looks, [190, failed(3)], [210, failed(3)]), []);
    const progress = (done: number) => failed(3, { progress: `${done} of 20` });
    assert.equal(waitsAfter(...looks, [185, progress(0)])?.length, 0);
  });

  it('sees work that no worker takes, unless workers are busy with other work of its kind', () => {
    const untaken = activity({ state: 'scheduled', key: 'a/2' });
    const [wait] = waitsAfter([0, untaken], [20, untaken]) ?? [];
    assert.equal(wait && 'untakenOn' in wait && wait.untakenOn, 'queue-inference');
    assert.deepEqual(waitsAfter([0, untaken], [10, untaken]), []);
    assert.deepEqual(waitsAfter([0, untaken, activity()], [20, untaken, activity()]), []);
  });

  it('sees what an activity says that it waits for, in two looks', () => {
    const wait = { reason: 'the endpoint does not answer', since: past.toISOString() };
    const waiting = activity({ wait });
    assert.deepEqual(waitsAfter([0, waiting]), []);
    assert.equal(waitsAfter([0, waiting], [10, waiting])?.length, 1);
    assert.deepEqual(waitsAfter([0, waiting], [10, waiting], [20, activity()]), []);
  });

  it('says how a paused activity goes on', () => {
    const paused = activity({ state: 'paused' });
    const [wait] = waitsAfter([0, paused], [30, paused]) ?? [];
    assert(wait !== undefined && 'reason' in wait);
    assert.match(wait.reason, /temporal activity unpause --workflow-id run\/1\/judgePairs --activity-id 1/);
  });

  it('reports shards of a stage once, with the one that has waited longest', () => {
    const later = { ...backingOff(4), key: 'a/2', failedAt: new Date(), failure: 'another reason' };
    const waits = waitsAfter([0], [10, later, backingOff(4)]);
    assert.deepEqual(
      waits?.map((wait) => 'reason' in wait && wait.reason),
      ['the disk is full'],
    );
  });
});
