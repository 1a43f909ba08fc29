import assert from 'node:assert/strict';
import fc from 'fast-check';
import { liveLines } from '../../../src/cli/progress/live-lines.ts';
import { judgedIteration, judgingStage, NOW, sampleProgress } from './sample-progress.ts';

const plain = (columns: number) => ({ now: NOW, columns, paint: (_: string, text: string) => text });

describe('the live lines of a run', () => {
  it('show a bar, the count, rates and the remaining time of each stage, and the state of the run', () => {
    assert.deepEqual(liveLines(sampleProgress(), plain(120)), [
      '  judgePairs       ███████░░░░░░░░░░░░░░░░░ 12/40 shards  116 judgments/s  9.1k tokens/s  23 s left',
      '  embedded, iteration 1 of 3, 1 min so far, about 3 min 20 s left, best M_0: 69.7% on test',
    ]);
  });

  it('omit rates and other less important parts on a narrow terminal', () => {
    assert.deepEqual(liveLines(sampleProgress(), plain(80)), [
      '  judgePairs       █████░░░░░░░░░░░ 12/40 shards  116 judgments/s  23 s left',
      '  embedded, iteration 1 of 3, about 3 min 20 s left, best M_0: 69.7% on test',
    ]);
    assert.deepEqual(liveLines(sampleProgress(), plain(40)), [
      '  judgePairs ██░░░░ 12/40  23 s left',
      '  iteration 1 of 3, 3 min 20 s left',
    ]);
  });

  it('are never wider than the terminal', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 200 }), fc.string({ unit: 'grapheme' }), (columns, runName) => {
        const stages = [
          judgingStage(),
          judgingStage({ name: 'categorizeInstructions' }),
          { ...judgingStage(), of: 0 },
        ];
        for (const line of liveLines(sampleProgress({ runName, stages }), plain(columns)))
          assert(line.length <= columns - 1 || /[^\x20-\x7e█░…]/u.test(line), line);
      }),
    );
  });

  it('show steps, the loss, and a low rate per minute', () => {
    const training = judgingStage({
      name: 'fineTune',
      unit: 'steps',
      done: 3,
      total: 900,
      counts: {},
      loss: 0.1234,
      startedAt: '2026-01-01T00:00:00Z',
      remainingSeconds: 17_940,
    });
    assert.match(
      liveLines(sampleProgress({ stages: [training] }), plain(100))[0] ?? '',
      / 3\/900 steps {2}3\.0 steps\/min {2}loss 0\.123 {2}4 h 59 min left$/,
    );
  });

  it('show the elapsed time of a stage whose remaining time is unknown', () => {
    const serving = { name: 'serveModel', iteration: 1, startedAt: '2026-01-01T00:00:57Z' };
    assert.equal(
      liveLines(sampleProgress({ stages: [serving] }), plain(80))[0],
      '  serveModel       3.0 s so far',
    );
  });

  it('show that the run is paused, without rates and times, which would be wrong', () => {
    const paused = { reason: 'the GPU is needed', since: '2026-01-01T00:00:55Z' };
    assert.deepEqual(
      liveLines(sampleProgress({ status: 'paused', paused, remainingSeconds: undefined }), plain(100)),
      [
        '  judgePairs       ███████░░░░░░░░░░░░░░░░░ 12/40 shards  paused',
        '  embedded, paused: the GPU is needed, iteration 1 of 3, 1 min so far, best M_0: 69.7% on test',
      ],
    );
  });

  it('show how long a stage has waited, instead of a remaining time that would be wrong', () => {
    const wait = {
      ...{ stage: 'judgePairs', iteration: 1, workflowId: 'embedded', activity: 'judgePairs' },
      ...{ since: '2026-01-01T00:00:30Z', reason: 'the disk is full' },
    };
    const [stage, run] = liveLines(
      sampleProgress({ waits: [wait], remainingSeconds: undefined }),
      plain(120),
    );
    assert.match(stage ?? '', /12\/40 shards .*waiting for 30 s$/);
    assert.match(run ?? '', /iteration 1 of 3, 1 min so far, waiting, best M_0/);
  });

  it('count to the iteration after which the run stops, and show the best judge on the validation benchmark', () => {
    const better = judgedIteration(1, 0.95);
    const [test] = better.evaluations;
    assert(test);
    const validation = { ...test, benchmark: 'validation', purpose: 'validation' as const, accuracy: 0.938 };
    const completed = [judgedIteration(0, 0.697), { ...better, evaluations: [test, validation] }];
    const progress = sampleProgress({
      stages: [judgingStage({ iteration: 2 })],
      completedIterations: completed,
      best: 1,
      stopAfter: 2,
    });
    assert.match(
      liveLines(progress, plain(100)).at(-1) ?? '',
      /iteration 2 of 2, .*best M_1: 93\.8% on validation$/,
    );
  });

  it('contain no control characters of a run name', () => {
    const lines = liveLines(sampleProgress({ runName: 'a\u001b]0;title\u0007b\nc' }), plain(100));
    assert.match(lines.at(-1) ?? '', /^ {2}a \]0;title b c, iteration/);
  });
});
