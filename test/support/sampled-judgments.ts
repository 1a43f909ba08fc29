import { ORDERS } from '../../src/method/examples.ts';
import type { Verdict } from '../../src/method/verdict.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';
import type { Judgment } from '../../src/runs/records.ts';
import type { TestRun } from './test-run.ts';

export const pairs = Array.from({ length: 30 }, (_, index) => ({
  id: `pair-${String(index).padStart(2, '0')}`,
  instruction: `Question ${index}?`,
  better: `better ${index}`,
  worse: `worse ${index}`,
}));

/** Four judgments of each of their examples by a judge that prefers A. */
export const judgments: Judgment[] = pairs.flatMap(({ id: pairId }) =>
  ORDERS.flatMap((order) =>
    [0, 1, 2, 3].map((sample): Judgment => {
      const id = `${pairId}/${order}/${sample}`;
      const chance = Number.parseInt(stableHash('verdict', id).slice(0, 2), 16);
      const verdict: Verdict = chance < 120 ? 'A' : chance < 200 ? 'B' : chance < 220 ? 'tie' : 'none';
      const right = verdict === (order === 'better-first' ? 'A' : 'B');
      return {
        id,
        pairId,
        order,
        sample,
        text: `${id} says ${verdict}`,
        verdict,
        finishReason: 'stop',
        correct: right,
      };
    }),
  ),
);

/** Publishes the pairs and their judgments as the input of the first iteration's training set. */
export async function publishSampled({ run, publish }: Pick<TestRun, 'run' | 'publish'>) {
  return {
    ...{ run, iteration: 1 },
    pairs: await publish('test/pairs', pairs, 8),
    judgments: await publish('test/judgments', judgments, 64),
  };
}
