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
      );
    };
    add(0, 'A', 'A', 'B');
    add(1, 'A', 'A', 'A');
    add(2, 'A', 'X', 'A');
    add(3, undefined, 'B', 'A');
    counter.add(toFailedPair({ row: 4, id: '4', label: 'A' }, { reason: 'context-length', detail: 'long' }));
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
});
