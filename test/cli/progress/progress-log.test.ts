import assert from 'node:assert/strict';
import type { Wait } from '../../../src/client/index.ts';
import { ProgressLog } from '../../../src/cli/progress/progress-log.ts';
import { PeriodicProgress } from '../../../src/cli/progress/periodic-progress.ts';
import { ended, judgedIteration, judgingStage, NOW, sampleProgress } from './sample-progress.ts';

describe("the log of a run's progress", () => {
  it('begins with everything that has happened before', () => {
    const training = judgingStage({ name: 'fineTune', iteration: 2, unit: 'steps' });
    const progress = sampleProgress({
      stages: [training],
      completedIterations: [judgedIteration(0, 0.697), judgedIteration(1, 0.95)],
      endedStages: [ended('judgePairs', 2, 7.2, { judgments: 1221, correctJudgments: 895 })],
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
      '  iteration 2  judgePairs                    7.2 s  1,221 judgments, 73.3% correct',
      '  Warning: few pairs',
    ]);
  });

  it('reports each stage once when it has ended, with its duration and results', () => {
    const log = new ProgressLog();
    log.newLines(sampleProgress(), NOW);
    assert.deepEqual(log.newLines(sampleProgress(), NOW), []);
    const training = judgingStage({ name: 'fineTune', counts: {} });
    const endedStages = [ended('judgePairs', 1, 10, { judgments: 2000, correctJudgments: 1000 })];
    const next = sampleProgress({ stages: [training], endedStages });
    assert.deepEqual(log.newLines(next, NOW), [
      '  iteration 1  judgePairs                     10 s  2,000 judgments, 50.0% correct',
    ]);
    const done = sampleProgress({
      stages: [],
      completedIterations: [judgedIteration(0, 0.697), judgedIteration(1, 0.95)],
    });
    assert.deepEqual(log.newLines(done, NOW), [
      '  iteration 1  fineTune                       17 s  72 steps, mean loss 0.093',
      '  iteration 1  evaluateJudge                 6.4 s  240 pairs in both orders',
      '  M_1 on test: accuracy 95.0%, in both orders 40.0%',
    ]);
    assert.deepEqual(log.newLines(done, NOW), []);
  });

  it('reports stages of the next iteration that run while a judge is evaluated, and a stage again that is repeated', () => {
    const log = new ProgressLog();
    const evaluating = judgingStage({ name: 'evaluateJudge', iteration: 1 });
    const judged = ended('judgePairs', 2, 9, { judgments: 1100, correctJudgments: 990 });
    const before = sampleProgress({
      stages: [evaluating],
      endedStages: [ended('fineTune', 1, 17, { steps: 72 })],
    });
    assert.deepEqual(log.newLines(before, NOW).slice(-1), [
      '  iteration 1  fineTune                       17 s  72 steps',
    ]);
    const overlapping = { ...before, endedStages: [...(before.endedStages ?? []), judged] };
    assert.deepEqual(log.newLines(overlapping, NOW), [
      '  iteration 2  judgePairs                    9.0 s  1,100 judgments, 90.0% correct',
    ]);
    assert.deepEqual(log.newLines(overlapping, NOW), []);
    const repeated = { ...judged, startedAt: '2026-01-01T00:00:58Z', seconds: 0.1 };
    assert.deepEqual(log.newLines({ ...overlapping, endedStages: [judged, repeated] }, NOW), [
      '  iteration 2  judgePairs                    0.1 s  1,100 judgments, 90.0% correct',
    ]);
  });

  it('reports the stages of a judging, which has no iterations, also those that ended before the first poll', () => {
    const endedStages = [
      ended('preparePairsToJudge', 0, 2, { pairs: 60 }),
      ended('compareResponses', 0, 30, { pairs: 60, judgments: 120, unparsableJudgments: 2 }),
    ];
    const ending = { name: 'finishPairsJudging', iteration: 0, startedAt: '2026-01-01T00:00:59Z' };
    const progress = sampleProgress({
      requestedIterations: 0,
      completedIterations: [],
      endedStages,
      stages: [ending],
    });
    assert.deepEqual(new ProgressLog().newLines(progress, NOW), [
      '  preparePairsToJudge                        2.0 s  60 pairs to judge',
      '  compareResponses                            30 s  60 pairs, 120 judgments, 2 pairs without a verdict',
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
