import assert from 'node:assert/strict';
import type { Wait } from '../../../src/client/index.ts';
import { ProgressLog } from '../../../src/cli/progress/progress-log.ts';
import { PeriodicProgress } from '../../../src/cli/progress/periodic-progress.ts';
import { judgedIteration, judgingStage, NOW, sampleProgress } from './sample-progress.ts';

describe("the log of a run's progress", () => {
  it('begins with everything that has happened before', () => {
    const training = judgingStage({ name: 'fineTune', iteration: 2, unit: 'steps' });
    const progress = sampleProgress({
      stages: [training],
      completedIterations: [judgedIteration(0, 0.697), judgedIteration(1, 0.95)],
      counts: {
        ...sampleProgress().counts,
        judgePairs: { judgments: 1221, correctJudgments: 895 },
        fineTune: { steps: 72 },
      },
      warnings: ['few pairs'],
    });
    assert.deepEqual(new ProgressLog().newLines(progress, NOW), [
      '  iteration 0  preparePool                   0.4 s  2,400 instructions',
      '  iteration 0  generatePairs                 4.8 s  381 pairs',
      '  iteration 0  evaluateJudge                 5.0 s  240 pairs in both orders',
      '  M_0 on test: accuracy 69.7%, in both orders 40.0%',
      '  iteration 1  judgePairs                    6.1 s  1,160 judgments, 46.0% correct',
      '  iteration 1  fineTune                       17 s  72 steps, mean loss 0.093',
      '  iteration 1  evaluateJudge                 6.4 s  240 pairs in both orders',
      '  M_1 on test: accuracy 95.0%, in both orders 40.0%',
      '  iteration 2  judgePairs                           1,221 judgments, 73.3% correct',
      '  Warning: few pairs',
    ]);
  });

  it('reports each stage once when it has ended, with its duration and results', () => {
    const log = new ProgressLog();
    log.newLines(sampleProgress(), NOW);
    assert.deepEqual(log.newLines(sampleProgress(), NOW), []);
    const counts = { ...sampleProgress().counts, judgePairs: { judgments: 2000, correctJudgments: 1000 } };
    const training = judgingStage({ name: 'fineTune', counts: {}, loss: 0.05 });
    const next = sampleProgress({ stages: [training], counts });
    assert.deepEqual(log.newLines(next, NOW), [
      '  iteration 1  judgePairs                     10 s  2,000 judgments, 50.0% correct',
    ]);
    const done = sampleProgress({
      stages: [],
      completedIterations: [judgedIteration(0, 0.697), judgedIteration(1, 0.95)],
      counts,
    });
    assert.deepEqual(log.newLines(done, NOW), [
      '  iteration 1  fineTune                       17 s  72 steps, mean loss 0.093',
      '  iteration 1  evaluateJudge                 6.4 s  240 pairs in both orders',
      '  M_1 on test: accuracy 95.0%, in both orders 40.0%',
    ]);
    assert.deepEqual(log.newLines(done, NOW), []);
  });

  it('does not mistake the counts of the previous iteration for those of the current one', () => {
    const completed = [judgedIteration(0, 0.697), judgedIteration(1, 0.95)];
    const counts = { ...sampleProgress().counts, ...judgedIteration(1, 0.95).counts };
    const serving = { name: 'serveModel', iteration: 2, startedAt: '2026-01-01T00:00:59Z' };
    const lines = new ProgressLog().newLines(
      sampleProgress({ completedIterations: completed, counts, stages: [serving] }),
      NOW,
    );
    assert.equal(
      lines.some((line) => line.includes('iteration 2')),
      false,
    );
  });

  it('reports the stages of a judging, which has no iterations, also those that ended before the first poll', () => {
    const counts = {
      preparePairsToJudge: { pairs: 60 },
      compareResponses: { pairs: 60, judgments: 120, unparsableJudgments: 2 },
    };
    const ending = { name: 'finishPairsJudging', iteration: 0, startedAt: '2026-01-01T00:00:59Z' };
    const progress = sampleProgress({
      requestedIterations: 0,
      completedIterations: [],
      counts,
      stages: [ending],
    });
    assert.deepEqual(new ProgressLog().newLines(progress, NOW), [
      '  preparePairsToJudge                               60 pairs to judge',
      '  compareResponses                                  60 pairs, 120 judgments, 2 pairs without a verdict',
    ]);
  });

  it('does not report a stage as ended that a failure interrupted', () => {
    const log = new ProgressLog();
    log.newLines(sampleProgress(), NOW);
    assert.deepEqual(log.newLines(sampleProgress({ status: 'failed', stages: [] }), NOW), []);
  });

  it('reports when a wait begins, has another reason, and ends', () => {
    const log = new ProgressLog();
    log.newLines(sampleProgress(), NOW);
    const wait: Wait = {
      ...{ stage: 'judgePairs', iteration: 1, workflowId: 'embedded/1/judgePairs', activity: 'judgePairs' },
      ...{ since: '2026-01-01T00:00:30Z', reason: 'the disk is\u001b[2J full' },
    };
    const linesOf = (...waits: Wait[]) => log.newLines(sampleProgress({ waits }), NOW);
    assert.deepEqual(linesOf(wait), [
      '  Waiting since 2026-01-01 00:00 UTC: iteration 1  judgePairs: the disk is [2J full',
    ]);
    assert.deepEqual(linesOf(wait), []);
    const other = { ...wait, stage: 'serveModel', activity: 'serveModel', reason: 'no licence' };
    assert.deepEqual(linesOf({ ...wait, reason: 'no disk' }, other), [
      '  Waiting since 2026-01-01 00:00 UTC: iteration 1  judgePairs: no disk',
      '  Waiting since 2026-01-01 00:00 UTC: iteration 1  serveModel: no licence',
    ]);
    assert.deepEqual(linesOf(other), ['  No longer waiting: iteration 1  judgePairs, after 30 s.']);
    assert.deepEqual(log.newLines(sampleProgress({ status: 'failed', stages: [] }), NOW), []);
  });

  it('reports when a pause begins and ends, and when the run starts again from an earlier point', () => {
    const log = new ProgressLog();
    const completed = [judgedIteration(0, 0.697), judgedIteration(1, 0.95)];
    log.newLines(sampleProgress({ completedIterations: completed }), NOW);
    const paused = { reason: 'the GPU\u001b[2J is needed', since: '2026-01-01T00:00:55Z' };
    assert.deepEqual(
      log.newLines(sampleProgress({ completedIterations: completed, status: 'paused', paused }), NOW),
      ['  Paused since 2026-01-01T00:00:55Z: the GPU [2J is needed'],
    );
    assert.deepEqual(log.newLines(sampleProgress({ completedIterations: completed }), NOW), ['  Resumed.']);
    assert.deepEqual(log.newLines(sampleProgress(), NOW), ['  Starts again from M_0.']);
  });
});

describe('the periodic lines of a log', () => {
  const at = (seconds: number, done: number) =>
    [sampleProgress({ stages: [judgingStage({ done })] }), NOW + seconds * 1000] as const;

  it('appear after every tenth of a stage, with a minimum interval', () => {
    const periodic = new PeriodicProgress();
    assert.deepEqual(periodic.dueLines(...at(0, 0)), []);
    assert.deepEqual(periodic.dueLines(...at(5, 20)), []);
    assert.deepEqual(periodic.dueLines(...at(20, 20)), [
      '  iteration 1  judgePairs: 20/40 shards, 39 judgments/s, 3.0k tokens/s, 23 s left',
    ]);
    assert.deepEqual(periodic.dueLines(...at(40, 23)), []);
  });

  it('appear after a minute without progress', () => {
    const periodic = new PeriodicProgress();
    periodic.dueLines(...at(0, 20));
    assert.deepEqual(periodic.dueLines(...at(59, 20)), []);
    assert.equal(periodic.dueLines(...at(60, 20)).length, 1);
    assert.deepEqual(periodic.dueLines(...at(61, 20)), []);
  });
});
