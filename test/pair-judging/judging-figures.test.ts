import assert from 'node:assert/strict';
import { orderVerdict, pairVerdict } from '../../src/method/pair-comparison.ts';
import { JudgingFiguresCounter } from '../../src/pair-judging/judging-figures.ts';
import { toFailedPair, toJudgedPair } from '../../src/pair-judging/judged-pair.ts';

describe('JudgingFiguresCounter', () => {
  it('counts verdicts, orders, judgments, requests and tokens', () => {
    const counter = new JudgingFiguresCounter();
    const add = (row: number, label: 'A' | 'B' | undefined, ...letters: string[]) => {
      const orders = letters.map((letter, index) =>
        orderVerdict(index === 0 ? 'as-given' : 'swapped', [{ text: `[[${letter}]]`, finishReason: 'stop' }]),
      );
      const tokens = { prompt: 10, completion: 2 };
      counter.add(
        toJudgedPair({ row, id: `${row}`, label }, { ...pairVerdict(orders), requests: 2, tokens }),
        `prompt ${row}`,
      );
    };
    add(0, 'A', 'A', 'B');
    add(1, 'A', 'A', 'A');
    add(2, 'A', 'X', 'A');
    add(3, undefined, 'B', 'A');
    const refusal = { reason: 'context-length', detail: 'long' };
    counter.add(toFailedPair({ row: 4, id: '4', label: 'A' }, refusal), 'prompt 4');
    const { accuracyInterval, ...figures } = counter.figures;
    assert.deepEqual(figures, {
      pairs: 5,
      verdicts: { A: 1, B: 2, tie: 1, none: 1 },
      failed: 1,
      labelledPairs: 4,
      accuracy: 0.25,
      orderAccuracy: 3 / 8,
      positionConsistency: 2 / 3,
      judgments: 8,
      unparsableJudgments: 1,
      withoutVerdict: { 'no verdict in the answer': 1 },
      requests: 8,
      tokens: { prompt: 40, completion: 8 },
    });
    assert(accuracyInterval !== null && accuracyInterval.low < 0.25 && accuracyInterval.high > 0.25);
    assert.equal(new JudgingFiguresCounter().figures.accuracy, null);
  });

  it('counts pairs with the same prompt by their effective number in the interval of the accuracy', () => {
    // Ten prompts of six pairs; the bounds are those of statsmodels in test/benchmarks/intervals.test.ts.
    const counter = new JudgingFiguresCounter();
    for (const [prompt, correct] of [6, 6, 5, 6, 0, 6, 6, 3, 6, 6].entries())
      for (let pair = 0; pair < 6; pair++) {
        const text = `[[${pair < correct ? 'A' : 'B'}]]`;
        const orders = [orderVerdict('as-given', [{ text, finishReason: 'stop' }])];
        const judged = toJudgedPair({ row: 0, id: '0', label: 'A' }, pairVerdict(orders));
        counter.add(judged, pair === 0 ? `Prompt ${prompt}!` : `prompt ${prompt}`);
      }
    const { low, high } = counter.figures.accuracyInterval ?? { low: NaN, high: NaN };
    assert(Math.abs(low - 0.5447714962888013) < 1e-9 && Math.abs(high - 0.9543187100649311) < 1e-9);
  });

  it('estimates the tokens that direct verdicts saved from the pairs that were judged with reasoning', () => {
    const counter = new JudgingFiguresCounter();
    const judgment = { text: '[[A]]', finishReason: 'stop' };
    const add = (row: number, decided: boolean, completion: number, verdicts: ('A' | 'B' | 'none')[]) => {
      const orders = (decided ? (['as-given', 'swapped'] as const) : (['as-given'] as const)).map((order) =>
        orderVerdict(order, [{ ...judgment, text: order === 'as-given' ? '[[A]]' : '[[B]]' }]),
      );
      const direct = { decided, probability: decided ? 0.9 : null, verdicts, tokens: 4 };
      const cost = { requests: 2, tokens: { prompt: 10, completion }, direct };
      counter.add(
        toJudgedPair(
          { row, id: `${row}`, label: row === 1 ? 'B' : 'A' },
          { ...pairVerdict(orders), ...cost },
        ),
        '',
      );
    };
    add(0, true, 4, ['A', 'A']);
    add(1, true, 4, ['A', 'A']);
    add(2, true, 4, ['A', 'A']);
    assert.equal(counter.figures.direct?.savedTokens, null);
    assert.equal(counter.figures.positionConsistency, 1);
    add(3, false, 24, ['A', 'none']);
    add(4, false, 44, ['A', 'B']);
    // The reasoned ones took 20 and 40 tokens, so three others would have taken 90; all five direct ones took 20.
    assert.deepEqual(counter.figures.direct, {
      ...{ pairs: 3, accuracy: 2 / 3, withoutLetter: 1, tokens: 20, savedTokens: 70 },
    });
    // Nothing is known about the other order of pairs that were judged in one.
    assert.equal(counter.figures.positionConsistency, null);
  });
});
