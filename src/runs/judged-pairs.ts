import type { ArtifactReference } from '../store/artifact.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { readAhead } from '../platform/read-ahead.ts';
import { readShardReferences, shardsAhead } from '../store/shards.ts';
import { exampleId, judgeExample, ORDERS, type ResponsePair } from '../method/examples.ts';
import { isInPart, type PairPart } from '../method/pair-parts.ts';
import type { JudgedExample } from '../method/select-judgments.ts';
import type { Judgment } from './records.ts';

/** Pairs and the judgments of them. */
export interface JudgedPairsInput {
  readonly pairs: ArtifactReference;
  readonly judgments: ArtifactReference;
  /** The part of the pairs that the judgments are of. */
  readonly part: PairPart;
}

/**
 * Yields every pair of a part with the judgments of both its orders, in the order of ids. One shard is in memory at a time, or a few
 * of a remote store.
 * @param inOrder the numbers of the shards, if they are to be read in another order
 */
export async function* readJudgedPairs<Pair extends ResponsePair = ResponsePair>(
  store: ArtifactStore,
  { pairs, judgments, part }: JudgedPairsInput,
  inOrder: (shards: number[]) => number[] = (shards) => shards,
): AsyncGenerator<{ pair: Pair; orders: readonly JudgedExample<Judgment>[] }> {
  const pairShards = await readShardReferences(store, pairs);
  const judgmentShards = await readShardReferences(store, judgments);
  const read = async (shard: number) => {
    const [pairShard, judgmentShard] = [pairShards[shard], judgmentShards[shard]];
    if (pairShard === undefined || judgmentShard === undefined)
      throw new InvalidInput(`${judgments.uri} has no shard ${shard}`);
    return Promise.all([store.readRecords<Judgment>(judgmentShard), store.readRecords<Pair>(pairShard)]);
  };
  const shards = inOrder([...pairShards.keys()]);
  for await (const [judged, ofShard] of readAhead(shards, shardsAhead(store), read)) {
    const byExample = Map.groupBy(judged, ({ pairId, order }) => exampleId(pairId, order));
    for (const pair of ofShard) {
      if (!isInPart(pair.id, part)) continue;
      const examples = ORDERS.map((order) => judgeExample(pair, order));
      yield {
        pair,
        orders: examples.map((example) => ({ example, judgments: byExample.get(example.id) ?? [] })),
      };
    }
  }
}
