import assert from 'node:assert/strict';
import type { RunProgress, Wait } from '../../src/api/progress.ts';
import { MachineTimesCounter } from '../../src/workflows/machine-times.ts';

type Situation = Parameters<MachineTimesCounter['count']>[0];

const situation = (stages: readonly string[], changes: Partial<RunProgress> = {}): Situation => ({
  status: 'running',
  stages: stages.map((name) => ({ name, iteration: 1, startedAt: '' })),
  ...changes,
});
const judging = { name: 'judgePairs', iteration: 1 };
const wait = (stage: string, reason: string): Wait => ({
  ...{ stage, iteration: 1, reason, since: '', workflowId: 'run', activity: stage },
});

describe('the times of a machine', () => {
  /** The times after some situations of a number of seconds each, in which judgePairs uses the machine or not. */
  function timesAfter(...parts: readonly (readonly [seconds: number, uses: boolean, Situation])[]) {
    const counter = new MachineTimesCounter(0);
    counter.pin('gpu-1');
    let now = 0;
    for (const [seconds, uses, current] of parts) {
      const end = uses ? counter.use('gpu-1', judging) : undefined;
      now += 1000 * seconds;
      counter.count(current, now);
      end?.();
    }
    return counter.read(situation([]), now);
  }

  it('are busy while a stage uses it, and idle for the reason of the moment otherwise, the longest first', () => {
    assert.deepEqual(
      timesAfter(
        [60, false, situation(['writeReport', 'filterJudgments'])],
        [300, false, situation(['serveModel'])],
        [1000, true, situation(['judgePairs'])],
        [
          180,
          true,
          situation(['judgePairs'], { waits: [wait('judgePairs', 'no worker with role inference')] }),
        ],
        [20, true, situation(['judgePairs'], { waits: [wait('writeReport', 'the disk is full')] })],
        [90, true, situation(['judgePairs'], { paused: { reason: 'night', since: '', by: 'user' } })],
        [70, false, situation(['serveModel'], { waits: [wait('serveModel', 'run other has the GPUs')] })],
        [5, false, situation([])],
      ),
      [
        {
          machine: 'gpu-1',
          busySeconds: 1020,
          idle: [
            { reason: 'a model server started', seconds: 300 },
            { reason: 'judgePairs waited: no worker with role inference', seconds: 180 },
            { reason: 'the run was paused', seconds: 90 },
            { reason: 'serveModel waited: run other has the GPUs', seconds: 70 },
            { reason: 'filterJudgments, which does not use its GPUs', seconds: 60 },
            { reason: 'between two stages', seconds: 5 },
          ],
        },
      ],
    );
  });

  it('are busy if one of two stages waits', () => {
    const counter = new MachineTimesCounter(0);
    counter.use('gpu-1', judging);
    counter.use('gpu-1', { name: 'evaluateJudge', iteration: 0 });
    counter.count(situation(['judgePairs'], { waits: [wait('judgePairs', 'an endpoint is down')] }), 10_000);
    assert.deepEqual(counter.read(situation([]), 10_000), [{ machine: 'gpu-1', busySeconds: 10, idle: [] }]);
  });

  it('go on after the run has continued as new, and are read without being counted', () => {
    const before = timesAfter([60, false, situation(['serveModel'])]);
    const counter = new MachineTimesCounter(0, before);
    counter.pin('gpu-1');
    const read = () => counter.read(situation(['serveModel']), 30_000);
    const after = [
      { machine: 'gpu-1', busySeconds: 0, idle: [{ reason: 'a model server started', seconds: 90 }] },
    ];
    assert.deepEqual([read(), read()], [after, after]);
  });

  it('keep a bounded number of reasons of a bounded length', () => {
    const parts = Array.from(
      { length: 100 },
      (_, index) =>
        [1, true, situation([], { waits: [wait('judgePairs', `${index} ${'x'.repeat(500)}`)] })] as const,
    );
    const [times] = timesAfter(...parts);
    assert.equal(times?.idle.length, 21);
    assert.deepEqual(times.idle[0], { reason: 'other reasons', seconds: 80 });
    assert(times.idle.every(({ reason }) => reason.length < 200));
  });
});
