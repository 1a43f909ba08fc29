import assert from 'node:assert/strict';
import type { SampledJudgment } from '../../src/judge/rejection-sampling.ts';
import { neededJudgments, suffices, wavesOf } from '../../src/judge/waves.ts';
import type { Verdict } from '../../src/judge/verdict.ts';

const bounds = (...args: Parameters<typeof wavesOf>) =>
  wavesOf(...args).map(({ start, end }) => [start, end]);
const judgments = (...verdicts: Verdict[]) =>
  verdicts.map((verdict, sample): SampledJudgment => ({
    id: `${sample}`,
    sample,
    text: '',
    verdict,
    finishReason: 'stop',
  }));

describe('the waves of an example', () => {
  it('are one where all samples are wanted', () => {
    assert.deepEqual(bounds({ kind: 'all' }, 15), [[0, 15]]);
  });

  it('double until N is reached, and cover every sample once', () => {
    const untilCorrect = (wave: number) => ({ kind: 'until-correct', wave }) as const;
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
      const covered = wavesOf(untilCorrect(wave), 33).flatMap(({ start, end }) =>
        Array.from({ length: end - start }, (_, index) => start + index),
      );
      assert.deepEqual(
        covered,
        Array.from({ length: 33 }, (_, sample) => sample),
      );
    }
  });

  it('end with the first right judgment, with as many as are kept, or with a wrong one too', () => {
    const enough = (also: 'wrong' | undefined, kept: number, ...verdicts: Verdict[]) =>
      suffices(judgments(...verdicts), 'A', neededJudgments({ kind: 'until-correct', wave: 1, also }, kept));
    assert(!enough(undefined, 1, 'B', 'tie', 'none'));
    assert(enough(undefined, 1, 'B', 'A'));
    assert(!enough(undefined, 2, 'B', 'A'));
    assert(enough(undefined, 2, 'A', 'A'));
    assert(!enough('wrong', 1, 'A', 'A'));
    for (const wrong of ['B', 'tie', 'none'] as const) assert(enough('wrong', 1, 'A', wrong));
    assert(!enough('wrong', 1, 'B', 'B'));
  });

  it('never end early where all samples are wanted', () => {
    assert(!suffices(judgments('A', 'A', 'B'), 'A', neededJudgments({ kind: 'all' }, 1)));
  });
});
