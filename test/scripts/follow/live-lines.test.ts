import assert from 'node:assert/strict';
import fc from 'fast-check';
import { liveLines } from '../../../scripts/follow/live-lines.ts';
import { judge, judging, NOW, sampleProgress } from './sample-progress.ts';

const plain = (columns: number) => ({ now: NOW, columns, paint: (_: string, text: string) => text });

describe('the lines about what is under way', () => {
  it('have a bar, what is done, rates and the time left, and say where the run is', () => {
    assert.deepEqual(liveLines(sampleProgress(), plain(120)), [
      '  judgePairs       ███████░░░░░░░░░░░░░░░░░ 12/40 shards  116 judgments/s  9.1k tokens/s  23 s left',
      '  embedded, iteration 1 of 3, 1 min so far, about 3 min 20 s left, best M_0: 69.7% on test',
    ]);
  });

  it('leave out rates and what else one can do without as the terminal gets narrower', () => {
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
        const stages = [judging(), judging({ name: 'categorizeInstructions' }), { ...judging(), of: 0 }];
        for (const line of liveLines(sampleProgress({ runName, stages }), plain(columns)))
          assert(line.length <= columns - 1 || /[^\x20-\x7e█░…]/u.test(line), line);
      }),
    );
  });

  it('show steps, the loss, and a slow rate by the minute', () => {
    const training = judging({
      name: 'fineTune',
      unit: 'steps',
      done: 3,
      of: 900,
      counts: {},
      loss: 0.1234,
      startedAt: '2026-01-01T00:00:00Z',
      secondsLeft: 17_940,
    });
    assert.match(
      liveLines(sampleProgress({ stages: [training] }), plain(100))[0] ?? '',
      / 3\/900 steps {2}3\.0 steps\/min {2}loss 0\.123 {2}4 h 59 min left$/,
    );
  });

  it('say how long a stage has taken where nobody knows how long it takes', () => {
    const serving = { name: 'serveModel', iteration: 1, startedAt: '2026-01-01T00:00:57Z' };
    assert.equal(
      liveLines(sampleProgress({ stages: [serving] }), plain(80))[0],
      '  serveModel       3.0 s so far',
    );
  });

  it('say that the run is paused, and no rate or time that would be wrong', () => {
    const paused = { reason: 'the GPU is needed', since: '2026-01-01T00:00:55Z' };
    assert.deepEqual(liveLines(sampleProgress({ paused, secondsLeft: undefined }), plain(100)), [
      '  judgePairs       ███████░░░░░░░░░░░░░░░░░ 12/40 shards  paused',
      '  embedded, paused: the GPU is needed, iteration 1 of 3, 1 min so far, best M_0: 69.7% on test',
    ]);
  });

  it('count to the iteration after which the run stops, and name the best judge by the benchmark it is chosen by', () => {
    const better = judge(1, 0.95);
    const [test] = better.evaluations;
    assert(test);
    const validation = { ...test, benchmark: 'validation', purpose: 'validation' as const, accuracy: 0.938 };
    const completed = [judge(0, 0.697), { ...better, evaluations: [test, validation] }];
    const progress = sampleProgress({
      stages: [judging({ iteration: 2 })],
      completed,
      best: 1,
      stopAfter: 2,
    });
    assert.match(
      liveLines(progress, plain(100)).at(-1) ?? '',
      /iteration 2 of 2, .*best M_1: 93\.8% on validation$/,
    );
  });

  it('pass on nothing that a terminal would obey', () => {
    const lines = liveLines(sampleProgress({ runName: 'a\u001b]0;title\u0007b\nc' }), plain(100));
    assert.match(lines.at(-1) ?? '', /^ {2}a \]0;title b c, iteration/);
  });
});
