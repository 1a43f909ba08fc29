import assert from 'node:assert/strict';
import type { ActivityWait, ShardProgress } from '../../src/api/signals.ts';
import type { RunProgress } from '../../src/api/progress.ts';
import { ProgressTracker } from '../../src/workflows/progress-tracker.ts';

const initial: RunProgress = {
  runName: 'a-run',
  status: 'running',
  startedAt: '2026-01-01T00:00:00.000Z',
  requestedIterations: 1,
  stages: [],
  counts: {},
  completedIterations: [],
  best: 0,
  warnings: [],
  budget: { limits: {}, usage: { tokens: 0, requests: 0, usd: 0, gpuHours: 0 } },
};

describe('the progress of a run', () => {
  /** The stage as shown after the reports, in the order of their arrival. */
  async function stageAfter(...reports: readonly ShardProgress[]) {
    const tracker = new ProgressTracker(initial);
    let shown: RunProgress['stages'][number] | undefined;
    await tracker.trackStage({ name: 'judgePairs', iteration: 1 }, () => {
      for (const report of reports) tracker.recordShards(report);
      [shown] = tracker.current.stages;
      return Promise.resolve();
    });
    return { stage: shown, budget: tracker.current.budget };
  }

  const report = (done: number, tokens: number): ShardProgress => ({
    stage: 'judgePairs',
    iteration: 1,
    done,
    shards: 5,
    counts: { judgments: done * 10 },
    usage: { tokens, requests: done, usd: 0, gpuHours: 0 },
  });

  it('ignores a report of fewer finished shards that arrives late', async () => {
    const { stage } = await stageAfter(report(1, 100), report(3, 300), report(2, 200));
    assert.equal(stage?.done, 3);
    assert.deepEqual(stage.counts, { judgments: 30 });
  });

  it('counts the shards of checkpoints in the stage that selects one, apart from those of judges', async () => {
    const tracker = new ProgressTracker(initial);
    const evaluation = {
      stage: 'evaluateBenchmark',
      iteration: 1,
      benchmark: 'validation',
      counts: {},
    } as const;
    const of = (name: 'selectCheckpoint' | 'evaluateJudge') =>
      tracker.trackStage({ name, iteration: 1, done: 0, total: 6, unit: 'shards' }, () => {
        tracker.recordShards({ ...evaluation, step: 10, done: 3, shards: 3 });
        tracker.recordShards({ ...evaluation, step: 20, done: 1, shards: 3 });
        tracker.recordShards({ ...evaluation, done: 2, shards: 3 });
        return Promise.resolve(tracker.current.stages.map(({ done, total }) => ({ done, total })));
      });
    assert.deepEqual(await of('selectCheckpoint'), [{ done: 4, total: 6 }]);
    assert.deepEqual(await of('evaluateJudge'), [{ done: 2, total: 6 }]);
  });

  const wait = (activity: string, workflowId = 'run', seconds = 10): ActivityWait => ({
    workflowId,
    activity,
    reason: 'the disk is full',
    since: new Date(Date.now() - 1000 * seconds).toISOString(),
  });
  const trainingStage = { name: 'fineTune', iteration: 1 } as const;
  const evaluationStage = { name: 'evaluateJudge', iteration: 1, workflowId: 'run/1/evaluateJudge' } as const;

  it('shows a wait in the stage of its child workflow, of its activity, or the one that began last', async () => {
    const tracker = new ProgressTracker(initial);
    await tracker.trackStage(evaluationStage, () =>
      tracker.trackStage(trainingStage, () => {
        tracker.recordWaits([
          wait('evaluateBenchmark', 'run/1/evaluateJudge/test'),
          wait('fineTune'),
          wait('pinWorker'),
        ]);
        const shown = tracker.current.waits?.map(({ stage, benchmark }) => ({ stage, benchmark }));
        assert.deepEqual(shown, [
          { stage: 'evaluateJudge', benchmark: 'test' },
          { stage: 'fineTune', benchmark: undefined },
          { stage: 'fineTune', benchmark: undefined },
        ]);
        return Promise.resolve();
      }),
    );
    assert.equal(tracker.current.waits, undefined, 'a stage that has ended waits for nothing');
  });

  it('keeps the start of a wait that a newly started worker reports again, and tells whether one began or ended', async () => {
    const tracker = new ProgressTracker(initial);
    await tracker.trackStage(trainingStage, () => {
      const first = wait('fineTune', 'run', 300);
      assert.equal(tracker.recordWaits([first]), true);
      assert.equal(tracker.recordWaits([{ ...wait('fineTune'), reason: 'the disk is still full' }]), false);
      assert.equal(tracker.current.waits?.[0]?.since, first.since);
      assert.equal(tracker.current.waits[0].reason, 'the disk is still full');
      assert.equal(tracker.recordWaits([]), true);
      return Promise.resolve();
    });
  });

  it('remembers waits of a minute or more when they are over, for the report', async () => {
    const tracker = new ProgressTracker(initial);
    await tracker.trackStage(trainingStage, () => {
      tracker.recordWaits([wait('fineTune', 'run', 90), wait('serveModel', 'run', 20)]);
      assert.deepEqual(
        tracker.allWaits.map(({ until }) => until),
        [undefined, undefined],
      );
      tracker.recordWaits([]);
      return Promise.resolve();
    });
    assert.equal(tracker.endedWaits.length, 1);
    const [{ since, until = '' } = { since: '' }] = tracker.endedWaits;
    const seconds = (Date.parse(until) - Date.parse(since)) / 1000;
    assert(seconds >= 90 && seconds < 100, String(seconds));
    assert.deepEqual(new ProgressTracker(initial, tracker.state).allWaits, tracker.endedWaits);
  });

  it('keeps the stages of unfinished iterations, and forgets those of an iteration that is dropped', async () => {
    const tracker = new ProgressTracker(initial);
    const run = (name: 'judgePairs' | 'generatePairs', iteration: number, counts: Record<string, number>) =>
      tracker.trackStage({ name, iteration }, () => Promise.resolve({ counts }));
    const ended = () => tracker.current.endedStages?.map(({ name, iteration }) => `${name} ${iteration}`);
    const complete = (iteration: number, counts: Record<string, Record<string, number>>) =>
      tracker.completeIteration(
        { iteration, model: { checkpoint: '', sha256: '' }, evaluations: [], counts, seconds: {} },
        0,
      );
    await run('generatePairs', 0, { pairs: 9 });
    await run('judgePairs', 1, { judgments: 5 });
    assert.deepEqual(ended(), ['generatePairs 0', 'judgePairs 1']);
    complete(0, { generatePairs: { pairs: 9 } });
    assert.deepEqual(ended(), ['judgePairs 1']);
    complete(1, { judgePairs: { judgments: 5 } });
    await run('judgePairs', 2, { judgments: 7 });
    assert.deepEqual(tracker.current.counts['judgePairs'], { judgments: 7 });
    tracker.dropUnfinishedIteration();
    assert.deepEqual(
      [ended(), tracker.current.counts],
      [[], { generatePairs: { pairs: 9 }, judgePairs: { judgments: 5 } }],
    );
  });

  it('never shows less usage than before', async () => {
    const { budget } = await stageAfter(report(3, 300), report(2, 200));
    assert.equal(budget?.usage.tokens, 300);
    assert.equal(budget.usage.requests, 3);
  });
});
