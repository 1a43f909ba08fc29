import assert from 'node:assert/strict';
import {
  isCorrect,
  isIncorrect,
  keepCorrectJudgments,
  type SampledJudgment,
} from '../../src/method/rejection-sampling.ts';
import type { Verdict } from '../../src/method/verdict.ts';
import { shuffledById } from '../../src/method/seeds.ts';
import { assertUniform } from './uniform.ts';

function judgment(sample: number, verdict: Verdict, finishReason = 'stop'): SampledJudgment {
  return { id: `pair/better-first/${sample}`, sample, text: `reason ${sample}`, verdict, finishReason };
}

const keepOne = (judgments: readonly SampledJudgment[], seed: number) =>
  keepCorrectJudgments(judgments, 'A', { kind: 'random', seed })[0];

describe('rejection sampling', () => {
  const judgments = [
    judgment(0, 'B'),
    judgment(1, 'A'),
    judgment(2, 'A'),
    judgment(3, 'tie'),
    judgment(4, 'A', 'length'),
    judgment(5, 'A'),
    judgment(6, 'none'),
    judgment(7, 'A', 'content_filter'),
    judgment(8, 'A'),
  ];
  const right = [1, 2, 5, 8].map((sample) => `pair/better-first/${sample}`);

  it('keeps each correct judgment equally often across seeds, and no other one', () => {
    const kept = Array.from({ length: 4000 }, (_, seed) => keepOne(judgments, seed)?.id ?? '');
    assertUniform(kept, right);
  });

  it('keeps each correct judgment equally often across examples with one seed', () => {
    const kept = Array.from({ length: 4000 }, (_, example) => {
      const renamed = judgments.map(({ id, ...rest }) => ({
        ...rest,
        id: id.replace('pair', `pair-${example}`),
      }));
      return keepOne(renamed, 42)?.id.replace(/pair-\d+/, 'pair') ?? '';
    });
    assertUniform(kept, right);
  });

  it('keeps the same judgment independent of the order of arrival', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const arrived = shuffledById(judgments, seed, 'test', ({ id }) => id);
      assert.deepEqual(keepOne(arrived, 42), keepOne(judgments, 42));
    }
  });

  it('keeps nothing if no judgment is correct', () => {
    const none = [judgment(0, 'B'), judgment(1, 'tie'), judgment(2, 'none'), judgment(3, 'A', 'length')];
    assert.equal(keepOne(none, 1), undefined);
    assert.equal(keepOne([], 1), undefined);
  });

  it('keeps the requested number of correct judgments, or as many as there are', () => {
    const keep = (count: number) =>
      keepCorrectJudgments(judgments, 'A', { kind: 'random', seed: 1 }, count).map(({ id }) => id);
    assert.equal(new Set(keep(3)).size, 3);
    assert.deepEqual(keep(3).slice(0, 2), keep(2));
    assert.deepEqual(keep(9).sort(), right);
  });

  it('keeps the correct judgments with the lowest sample numbers if sampling ended early', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const arrived = shuffledById(judgments, seed, 'test', ({ id }) => id);
      const kept = keepCorrectJudgments(arrived, 'A', { kind: 'first' }, 2);
      assert.deepEqual(
        kept.map(({ sample }) => sample),
        [1, 2],
      );
    }
  });

  it('counts the other side, a tie and a missing verdict as incorrect, and a truncated judgment as neither', () => {
    for (const verdict of ['B', 'tie', 'none'] as const) assert(isIncorrect(judgment(0, verdict), 'A'));
    assert(!isIncorrect(judgment(0, 'A'), 'A'));
    assert(!isIncorrect(judgment(0, 'A', 'length'), 'A'));
  });

  it('counts a judgment as correct only if it names the better side and is not truncated', () => {
    assert(isCorrect(judgment(0, 'A'), 'A'));
    assert(!isCorrect(judgment(0, 'A'), 'B'));
    assert(!isCorrect(judgment(0, 'A', 'length'), 'A'));
    assert(!isCorrect(judgment(0, 'A', 'unknown'), 'A'));
  });
});
