import type { ShardInput, ShardResult } from '../api/activity-types.ts';
import type { Vote } from '../pair-judging/vote.ts';
import { type IndexedFilePair, pairsShardTask } from '../pair-judging/judge-shard.ts';
import type { JudgedPair } from '../pair-judging/judged-pair.ts';
import { openPairsJudging, type ResolvedPairsJudging } from '../runs/open-run.ts';
import type { Dependencies } from './dependencies.ts';
import { processShard } from './process-shard.ts';

/** Lets the judge compare the two responses of every pair of a shard. */
export function compareResponses(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return processShard<ResolvedPairsJudging, IndexedFilePair, IndexedFilePair, Vote, JudgedPair>(
    deps,
    'compareResponses',
    input,
    openPairsJudging,
    ({ configuration, judge }) => {
      const { seed, judging } = configuration;
      return { units: (pairs) => pairs, ...pairsShardTask({ judge, voting: judging.voting, seed }) };
    },
  );
}
