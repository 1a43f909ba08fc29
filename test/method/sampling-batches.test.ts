import assert from 'node:assert/strict';
import type { SampledJudgment } from '../../src/method/rejection-sampling.ts';
import { requiredJudgments, hasRequiredJudgments, sampleBatches } from '../../src/method/sampling-batches.ts';
import type { Verdict } from '../../src/method/verdict.ts';

const bounds = (...args: Parameters<typeof sampleBatches>) =>
  sampleBatches(...args).map(({ start, end }) => [start, end]);
const judgments = (...verdicts: Verdict[]) =>
  verdicts.map((verdict, sample): SampledJudgment => ({
    id: `${sample}`,
    sample,
    text: '',
    verdict,
    finishReason: 'stop',
  }));

describe('the sample batches of an example', () => {
  it('are one batch if all samples are needed', () => {
    assert.deepEqual(bounds({ kind: 'all' }, 15), [[0, 15]]);
  });

  it('double until N is reached, and cover every sample once', () => {
    const untilCorrect = (wave: number) => ({ kind: 'until-correct', initialBatchSize: wave }) as const;
    assert.deepEqual(bounds(untilCorrect(1), 15), [
      [0, 1],
      [1, 3],
      [3, 7],
      [7, 15],
    ]);
    assert.deepEqual(bounds(untilCorrect(2), 6), [
      [0, 2],
      [2, 6],
    ]);
    assert.deepEqual(bounds(untilCorrect(2), 1), [[0, 1]]);
    for (let wave = 1; wave <= 40; wave += 1) {
      const covered = sampleBatches(untilCorrect(wave), 33).flatMap(({ start, end }) =>
        Array.from({ length: end - start }, (_, index) => start + index),
      );
      assert.deepEqual(
        covered,
        Array.from({ length: 33 }, (_, sample) => sample),
      );
    }
  });

  it('end with the first correct judgment, with the number that is kept, or with an incorrect one too', () => {
    const enough = (also: 'incorrect' | undefined, kept: number, ...verdicts: Verdict[]) =>
      hasRequiredJudgments(
        judgments(...verdicts),
        'A',
        requiredJudgments({ kind: 'until-correct', initialBatchSize: 1, also }, kept),
      );
    assert(!enough(undefined, 1, 'B', 'tie', 'none'));
    assert(enough(undefined, 1, 'B', 'A'));
    assert(!enough(undefined, 2, 'B', 'A'));
    assert(enough(undefined, 2, 'A', 'A'));
    assert(!enough('incorrect', 1, 'A', 'A'));
    for (const wrong of ['B', 'tie', 'none'] as const) assert(enough('incorrect', 1, 'A', wrong));
    assert(!enough('incorrect', 1, 'B', 'B'));
  });

  it('do not end with a correct judgment that may not be learned', () => {
    const required = requiredJudgments({ kind: 'until-correct', initialBatchSize: 1 }, 1);
    const isLearned = ({ sample }: SampledJudgment) => sample > 0;
    assert(!hasRequiredJudgments(judgments('A', 'B'), 'A', required, isLearned));
    assert(hasRequiredJudgments(judgments('A', 'A'), 'A', required, isLearned));
  });

  it('never end early if all samples are needed', () => {
    assert(!hasRequiredJudgments(judgments('A', 'A', 'B'), 'A', requiredJudgments({ kind: 'all' }, 1)));
  });
});
