import assert from 'node:assert/strict';
import fc from 'fast-check';
import { benchmarks } from '../support/benchmarks.ts';
import { figureNamed, judgeEachItem, pairsOf } from './fixture.ts';
import * as reference from './official-reference.ts';

const seed = 3;
const closeTo = (actual: number | null, expected: number) =>
  assert(actual !== null && Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

const reasoningText = fc.constantFrom(
  'Explanation: [[B>A]] is wrong. Verdict: [[A>B]]',
  'Verdict: [[B>A]].',
  '[[A>B]]',
  'Verdict: [[A>B]] Verdict: [[B>A]]',
  '[[A>B]] Verdict: none',
  'Verdict: [[A>B]] or [[B>A]]',
  '[[A]]',
  '',
);
const biasText = fc.constantFrom(
  'Output (a)',
  'Output (b)',
  'so\n Output (b).',
  'Output (b)\nOutput (a)',
  'I say Output (a)',
  '  Output (a)',
  '',
);

describe('the score by the published rule of', () => {
  it('ReasoningJudgeBench agrees with a reference: correct in both orders, two missing verdicts are consistent, by group', () => {
    const benchmark = benchmarks['reasoning-judge-bench'];
    const groups = {
      aime: 'math',
      aime_4o: 'math',
      reclor: 'multihop',
      strategy_qa: 'everyday',
      supergpqa: 'domain',
    };
    const row = fc.record({
      split: fc.constantFrom(...(Object.keys(groups) as (keyof typeof groups)[])),
      first: reasoningText,
      second: reasoningText,
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (rows) => {
        const items = pairsOf(rows.length, '').map((item, i) => ({ ...item, subset: rows[i]!.split }));
        const judgments = judgeEachItem(
          benchmark,
          items,
          ({ id }, slot) => rows[Number(id)]![slot === 'better-first' ? 'first' : 'second'],
        );
        const scores = benchmark.score(items, judgments, { seed });
        const expected = reference.reasoningJudgeBench(
          rows.map(({ split, first, second }) => [groups[split], first, second]),
        );
        for (const [name, total] of Object.entries(expected)) {
          closeTo(figureNamed(scores, `${name}, correct in both orders`), total.right / total.rows);
          closeTo(figureNamed(scores, `${name}, consistency`), total.consistent / total.rows);
        }
        assert.equal(scores.official.figures.length, 2 * Object.keys(expected).length);
      }),
    );
  });

  it('EvalBiasBench agrees with a reference: single and pair accuracy and agreement, by bias', () => {
    const benchmark = benchmarks['eval-bias-bench'];
    const row = fc.record({
      bias: fc.constantFrom('length bias', 'nested_instruction'),
      first: biasText,
      second: biasText,
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (rows) => {
        const items = pairsOf(rows.length, '').map((item, i) => ({ ...item, subset: rows[i]!.bias }));
        const judgments = judgeEachItem(
          benchmark,
          items,
          ({ id }, slot) => rows[Number(id)]![slot === 'better-first' ? 'first' : 'second'],
        );
        const scores = benchmark.score(items, judgments, { seed });
        const expectedOf = (bias?: string) =>
          reference.evalBiasBench(
            rows
              .filter((one) => bias === undefined || one.bias === bias)
              .map(({ first, second }) => [first, second]),
          );
        const all = expectedOf();
        closeTo(figureNamed(scores, 'accuracy, both orders'), all.single);
        closeTo(figureNamed(scores, 'correct in both orders'), all.pair);
        closeTo(figureNamed(scores, 'agreement of both orders'), all.agree);
        const present = [...new Set(rows.map(({ bias }) => bias))];
        let sum = 0;
        for (const bias of present) {
          const { single, pair } = expectedOf(bias);
          closeTo(figureNamed(scores, `${bias}: accuracy, both orders`), single);
          closeTo(figureNamed(scores, `${bias}: correct in both orders`), pair);
          sum += pair;
        }
        closeTo(figureNamed(scores, 'correct in both orders, mean of the biases'), sum / present.length);
      }),
    );
  });
});
