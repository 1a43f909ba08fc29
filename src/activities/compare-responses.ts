import type { WorkRecord } from '../artifacts/resume-shard.ts';
import {
  askedOrders,
  type GivenOrder,
  orderRequest,
  orderVerdict,
  pairVerdict,
} from '../judge/comparison.ts';
import { type JudgedPair, judgedPair } from '../judging/judged-pair.ts';
import { judgeMeaning } from '../judging/meaning.ts';
import type { Dependencies } from './dependencies.ts';
import { missingRuns } from './missing-samples.ts';
import { asJudging } from './open-run.ts';
import type { GivenPairRecord } from './prepare-pairs-to-judge.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { workOnShard } from './work-on-shard.ts';

/** One vote of the judge on a pair in one order. */
interface Vote extends WorkRecord {
  readonly order: GivenOrder;
  readonly vote: number;
  readonly text: string;
  readonly finishReason: string;
}

/** Lets the judge compare the two responses of every pair of a shard, as often as there are votes, in the orders that are asked. */
export function compareResponses(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<GivenPairRecord, GivenPairRecord, Vote, JudgedPair & { id: string }>(
    deps,
    'compareResponses',
    input,
    (resolved) => {
      const { configuration, judge } = asJudging(resolved);
      const { seed, judging } = configuration;
      const { voting } = judging;
      return {
        meaning: {
          stage: 'compare-responses',
          ...judgeMeaning(judge),
          votes: voting.votes,
          orders: voting.orders,
          sampling: { ...voting.sampling },
        },
        units: (pairs) => pairs,
        async work({ id, pair }, existing, emit, ask) {
          for (const order of askedOrders(voting)) {
            const there = existing.filter((vote) => vote.order === order).map(({ vote }) => vote);
            const request = orderRequest(judge.prompt, pair, order, voting, seed);
            for (const run of missingRuns(voting.votes, new Set(there))) {
              const { choices, usage } = await ask({
                ...request,
                samples: run.count,
                seed: request.seed + run.start,
              });
              choices.forEach(({ text, finishReason }, index) => {
                const vote = run.start + index;
                const spent = index === 0 ? { usage } : {};
                emit({ id: `${id}/${order}/${vote}`, unit: id, order, vote, text, finishReason, ...spent });
              });
            }
          }
        },
        assemble({ id, row, pair }, votes) {
          const inOrder = votes.toSorted((one, other) => one.vote - other.vote);
          const orders = askedOrders(voting).map((order) =>
            orderVerdict(
              order,
              inOrder.filter((vote) => vote.order === order),
            ),
          );
          const { better } = pair;
          const judged = judgedPair({ row, id: pair.id, better }, pairVerdict(orders));
          return [{ ...judged, id }];
        },
        count: (judged) => ({
          pairs: judged.length,
          judgments: judged.flatMap(({ orders }) => orders.flatMap(({ judgments }) => judgments)).length,
          noVerdict: judged.filter(({ verdict }) => verdict === 'none').length,
        }),
      };
    },
  );
}
