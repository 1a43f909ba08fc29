import assert from 'node:assert/strict';
import { orderVerdict, pairVerdict } from '../../src/judge/comparison.ts';
import { FiguresCounter, wilsonInterval } from '../../src/judging/figures.ts';
import { failedPair, judgedPair } from '../../src/judging/judged-pair.ts';

describe('the figures of a judging', () => {
  it('count verdicts, orders, judgments and what they took', () => {
    const counter = new FiguresCounter();
    const add = (row: number, better: 'A' | 'B' | undefined, ...letters: string[]) => {
      const orders = letters.map((letter, index) =>
        orderVerdict(index === 0 ? 'as-given' : 'exchanged', [
          { text: `[[${letter}]]`, finishReason: 'stop' },
        ]),
      );
      const tokens = { prompt: 10, completion: 2 };
      counter.add(judgedPair({ row, id: `${row}`, better }, { ...pairVerdict(orders), calls: 2, tokens }));
    };
    add(0, 'A', 'A', 'B');
    add(1, 'A', 'A', 'A');
    add(2, 'A', 'X', 'A');
    add(3, undefined, 'B', 'A');
    counter.add(failedPair({ row: 4, id: '4', better: 'A' }, { reason: 'context-length', detail: 'long' }));
    const { accuracyInterval, ...figures } = counter.figures;
    assert.deepEqual(figures, {
      pairs: 5,
      verdicts: { A: 1, B: 2, tie: 1, none: 1 },
      failed: 1,
      known: 4,
      accuracy: 0.25,
      orderAccuracy: 3 / 8,
      positionConsistency: 2 / 3,
      judgments: 8,
      withoutVerdict: 1,
      calls: 8,
      tokens: { prompt: 40, completion: 8 },
    });
    assert(accuracyInterval !== null && accuracyInterval.low < 0.25 && accuracyInterval.high > 0.25);
    assert.equal(new FiguresCounter().figures.accuracy, null);
  });

  it('have the interval that Wilson’s score gives', () => {
    // The examples of Newcombe 1998, table I, method 3.
    for (const [count, of, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const) {
      const interval = wilsonInterval(count, of);
      assert(
        Math.abs(interval.low - low) <= 5e-5 && Math.abs(interval.high - high) <= 5e-5,
        JSON.stringify(interval),
      );
    }
  });
});
