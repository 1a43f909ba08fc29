/** The configuration, pairs and judgments of a run whose outputs are exported. */
import { ORDERS } from '../../src/method/examples.ts';
import type { Judgment } from '../../src/runs/records.ts';

const publish = { model: 'someone/judge', dataset: 'someone/judgments' };
export const configuration = {
  publish,
  judging: { samples: 2 },
  instructions: { pool: ['/home/me/pool.jsonl'], categories: { names: ['math', 'chat'], keep: ['math'] } },
  filtering: { minExamples: 1 },
  fineTuning: { rounds: [{ method: 'sft' as const }, { method: 'dpo' as const }] },
  evaluation: {
    benchmarks: [
      { name: 'held-out', format: 'reward-bench' as const, path: 'b.jsonl', purpose: 'test' as const },
    ],
    sampling: { temperature: 0, topP: 1, maxTokens: 4 },
  },
};

/** The texts contain line separators other than newlines, which must not end a line, and quotes. */
export const pairs = Array.from({ length: 24 }, (_, index) => ({
  id: `pair-${String(index).padStart(2, '0')}`,
  instruction: `Question ${index}? "quoted"\n\u2028`,
  better: `better ${index}`,
  worse: `worse ${index} é 😀`,
}));

/** One correct and one incorrect judgment of each example. */
export const judgments: Judgment[] = pairs.flatMap(({ id: pairId }) =>
  ORDERS.flatMap((order) =>
    [true, false].map((right, sample): Judgment => {
      const verdict = right === (order === 'better-first') ? 'A' : 'B';
      const id = `${pairId}/${order}/000${sample}`;
      return {
        id,
        pairId,
        order,
        sample,
        text: `says [[${verdict}]]`,
        verdict,
        finishReason: 'stop',
        correct: right,
      };
    }),
  ),
);
