import assert from 'node:assert/strict';
import { RunNews } from '../../../scripts/follow/run-news.ts';
import { SignsOfLife } from '../../../scripts/follow/signs-of-life.ts';
import { judge, judging, NOW, sampleProgress } from './sample-progress.ts';

describe("the news of a run's progress", () => {
  it('are at the first look all that has happened before', () => {
    const training = judging({ name: 'fineTune', iteration: 2, unit: 'steps' });
    const progress = sampleProgress({
      stages: [training],
      completed: [judge(0, 0.697), judge(1, 0.95)],
      counts: {
        ...sampleProgress().counts,
        judgePairs: { judgments: 1221, right: 895 },
        fineTune: { steps: 72 },
      },
      warnings: ['few pairs'],
    });
    assert.deepEqual(new RunNews().in(progress, NOW), [
      '  iteration 0  preparePool                   0.4 s  2,400 instructions',
      '  iteration 0  generatePairs                 4.8 s  381 pairs',
      '  iteration 0  evaluateJudge                 5.0 s  240 pairs in both orders',
      '  M_0 on test: accuracy 69.7%, in both orders 40.0%',
      '  iteration 1  judgePairs                    6.1 s  1,160 judgments, 46.0% right',
      '  iteration 1  fineTune                       17 s  72 steps, mean loss 0.093',
      '  iteration 1  evaluateJudge                 6.4 s  240 pairs in both orders',
      '  M_1 on test: accuracy 95.0%, in both orders 40.0%',
      '  iteration 2  judgePairs                           1,221 judgments, 73.3% right',
      '  Warning: few pairs',
    ]);
  });

  it('tell each stage once, when it has ended, with its time and what it has made', () => {
    const news = new RunNews();
    news.in(sampleProgress(), NOW);
    assert.deepEqual(news.in(sampleProgress(), NOW), []);
    const counts = { ...sampleProgress().counts, judgePairs: { judgments: 2000, right: 1000 } };
    const training = judging({ name: 'fineTune', counts: {}, loss: 0.05 });
    const next = sampleProgress({ stages: [training], counts });
    assert.deepEqual(news.in(next, NOW), [
      '  iteration 1  judgePairs                     10 s  2,000 judgments, 50.0% right',
    ]);
    const done = sampleProgress({ stages: [], completed: [judge(0, 0.697), judge(1, 0.95)], counts });
    assert.deepEqual(news.in(done, NOW), [
      '  iteration 1  fineTune                       17 s  72 steps, mean loss 0.093',
      '  iteration 1  evaluateJudge                 6.4 s  240 pairs in both orders',
      '  M_1 on test: accuracy 95.0%, in both orders 40.0%',
    ]);
    assert.deepEqual(news.in(done, NOW), []);
  });

  it('do not take the counts of the last iteration for those of this one', () => {
    const completed = [judge(0, 0.697), judge(1, 0.95)];
    const counts = { ...sampleProgress().counts, ...judge(1, 0.95).counts };
    const serving = { name: 'serveModel', iteration: 2, startedAt: '2026-01-01T00:00:59Z' };
    const lines = new RunNews().in(sampleProgress({ completed, counts, stages: [serving] }), NOW);
    assert.equal(
      lines.some((line) => line.includes('iteration 2')),
      false,
    );
  });

  it('name the stages of a judging, which has no iterations, and tell those that ended before the first look', () => {
    const counts = {
      preparePairsToJudge: { pairs: 60 },
      compareResponses: { pairs: 60, judgments: 120, noVerdict: 2 },
    };
    const ending = { name: 'finishPairsJudging', iteration: 0, startedAt: '2026-01-01T00:00:59Z' };
    const progress = sampleProgress({ iterations: 0, completed: [], counts, stages: [ending] });
    assert.deepEqual(new RunNews().in(progress, NOW), [
      '  preparePairsToJudge                               60 pairs to judge',
      '  compareResponses                                  60 pairs, 120 judgments, 2 pairs without a verdict',
    ]);
  });

  it('do not say that a stage has ended which a failure breaks off', () => {
    const news = new RunNews();
    news.in(sampleProgress(), NOW);
    assert.deepEqual(news.in(sampleProgress({ phase: 'failed', stages: [] }), NOW), []);
  });

  it('say when a pause begins and is over, and when the run goes back', () => {
    const news = new RunNews();
    const completed = [judge(0, 0.697), judge(1, 0.95)];
    news.in(sampleProgress({ completed }), NOW);
    const paused = { reason: 'the GPU\u001b[2J is needed', since: '2026-01-01T00:00:55Z' };
    assert.deepEqual(news.in(sampleProgress({ completed, paused }), NOW), [
      '  Paused since 2026-01-01T00:00:55Z: the GPU [2J is needed',
    ]);
    assert.deepEqual(news.in(sampleProgress({ completed }), NOW), ['  Goes on.']);
    assert.deepEqual(news.in(sampleProgress(), NOW), ['  Goes again from after M_0.']);
  });
});

describe('the signs of life in a log', () => {
  const at = (seconds: number, done: number) =>
    [sampleProgress({ stages: [judging({ done })] }), NOW + seconds * 1000] as const;

  it('come after a tenth of a stage, but not all at once', () => {
    const life = new SignsOfLife();
    assert.deepEqual(life.in(...at(0, 0)), []);
    assert.deepEqual(life.in(...at(5, 20)), []);
    assert.deepEqual(life.in(...at(20, 20)), [
      '  iteration 1  judgePairs: 20/40 shards, 39 judgments/s, 3.0k tokens/s, 23 s left',
    ]);
    assert.deepEqual(life.in(...at(40, 23)), []);
  });

  it('come after a minute though nothing is done', () => {
    const life = new SignsOfLife();
    life.in(...at(0, 20));
    assert.deepEqual(life.in(...at(59, 20)), []);
    assert.equal(life.in(...at(60, 20)).length, 1);
    assert.deepEqual(life.in(...at(61, 20)), []);
  });
});
