import assert from 'node:assert/strict';
import {
  isRight,
  isWrong,
  keepRightJudgments,
  type SampledJudgment,
} from '../../src/judge/rejection-sampling.ts';
import type { Verdict } from '../../src/judge/verdict.ts';
import { shuffledById } from '../../src/judge/seeds.ts';
import { assertUniform } from './uniform.ts';

function judgment(sample: number, verdict: Verdict, finishReason = 'stop'): SampledJudgment {
  return { id: `pair/better-first/${sample}`, sample, text: `reason ${sample}`, verdict, finishReason };
}

const keepOne = (judgments: readonly SampledJudgment[], seed: number) =>
  keepRightJudgments(judgments, 'A', { kind: 'random', seed })[0];

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

  it('keeps each of the right judgments equally often across seeds, and no other one', () => {
    const kept = Array.from({ length: 4000 }, (_, seed) => keepOne(judgments, seed)?.id ?? '');
    assertUniform(kept, right);
  });

  it('keeps each of the right judgments equally often across examples of one seed', () => {
    const kept = Array.from({ length: 4000 }, (_, example) => {
      const renamed = judgments.map(({ id, ...rest }) => ({
        ...rest,
        id: id.replace('pair', `pair-${example}`),
      }));
      return keepOne(renamed, 42)?.id.replace(/pair-\d+/, 'pair') ?? '';
    });
    assertUniform(kept, right);
  });

  it('keeps the same judgment in whatever order the judgments arrived', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const arrived = shuffledById(judgments, seed, 'test', ({ id }) => id);
      assert.deepEqual(keepOne(arrived, 42), keepOne(judgments, 42));
    }
  });

  it('keeps nothing where no judgment is right', () => {
    const none = [judgment(0, 'B'), judgment(1, 'tie'), judgment(2, 'none'), judgment(3, 'A', 'length')];
    assert.equal(keepOne(none, 1), undefined);
    assert.equal(keepOne([], 1), undefined);
  });

  it('keeps several right judgments where they are asked for, or as many as there are', () => {
    const keep = (count: number) =>
      keepRightJudgments(judgments, 'A', { kind: 'random', seed: 1 }, count).map(({ id }) => id);
    assert.equal(new Set(keep(3)).size, 3);
    assert.deepEqual(keep(3).slice(0, 2), keep(2));
    assert.deepEqual(keep(9).sort(), right);
  });

  it('keeps the right judgments with the lowest index where sampling ended early, in whatever order they arrived', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const arrived = shuffledById(judgments, seed, 'test', ({ id }) => id);
      const kept = keepRightJudgments(arrived, 'A', { kind: 'first' }, 2);
      assert.deepEqual(
        kept.map(({ sample }) => sample),
        [1, 2],
      );
    }
  });

  it('calls a judgment wrong that reaches the other side, a tie or nothing, and one that was cut off neither', () => {
    for (const verdict of ['B', 'tie', 'none'] as const) assert(isWrong(judgment(0, verdict), 'A'));
    assert(!isWrong(judgment(0, 'A'), 'A'));
    assert(!isWrong(judgment(0, 'A', 'length'), 'A'));
  });

  it('calls a judgment right only when it agrees with the construction and came to its end', () => {
    assert(isRight(judgment(0, 'A'), 'A'));
    assert(!isRight(judgment(0, 'A'), 'B'));
    assert(!isRight(judgment(0, 'A', 'length'), 'A'));
    assert(!isRight(judgment(0, 'A', 'unknown'), 'A'));
  });
});
