import type { ArtifactReference } from '../store/artifact.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { readAhead } from '../platform/read-ahead.ts';
import { readShardReferences, shardsAhead } from '../store/shards.ts';
import { exampleId, judgeExample, ORDERS, type ResponsePair } from '../method/examples.ts';
import { isInPart, type PairPart } from '../method/pair-parts.ts';
import type { JudgedExample } from '../method/select-judgments.ts';
import { taskExamples, type TaskExample, type TrainedRecord } from '../method/task-examples.ts';
import type { Judgment, RecordJudgment } from './records.ts';
import { hasTaskRecords } from './run-layout.ts';

/** Pairs, perhaps with records of other tasks, and the judgments of them. */
export interface JudgedPairsInput {
  readonly pairs: ArtifactReference;
  readonly judgments: ArtifactReference;
  /** The part of the pairs that the judgments are of. */
  readonly part: PairPart;
}

/**
 * Yields every pair of a part with the judgments of both its orders, in the order of ids.
 * @param inOrder the numbers of the shards, if they are to be read in another order
 */
export async function* readJudgedPairs<Pair extends ResponsePair = ResponsePair>(
  store: ArtifactStore,
  input: JudgedPairsInput,
  inOrder?: (shards: number[]) => number[],
): AsyncGenerator<{ pair: Pair; orders: readonly JudgedExample<Judgment>[] }> {
  for await (const [judged, ofShard] of readJudgedShards<Judgment, Pair>(store, input, 'pairs', inOrder)) {
    const byExample = Map.groupBy(judged, ({ pairId, order }) => exampleId(pairId, order));
    for (const pair of ofShard) {
      if (!isInPart(pair.id, input.part)) continue;
      const examples = ORDERS.map((order) => judgeExample(pair, order));
      yield {
        pair,
        orders: examples.map((example) => ({ example, judgments: byExample.get(example.id) ?? [] })),
      };
    }
  }
}

/** Yields every record of tasks beyond pairs of a part with the judgments of all its orders. */
export async function* readJudgedRecords(
  store: ArtifactStore,
  input: JudgedPairsInput,
): AsyncGenerator<
  readonly { readonly example: TaskExample; readonly judgments: readonly RecordJudgment[] }[]
> {
  for await (const [judged, records] of readJudgedShards<RecordJudgment, TrainedRecord>(
    store,
    input,
    'records',
  )) {
    const byExample = Map.groupBy(judged, ({ recordId, order }) => `${recordId}/${order}`);
    for (const record of records)
      if (isInPart(record.id, input.part))
        yield taskExamples(record).map((example) => ({
          example,
          judgments: byExample.get(example.id) ?? [],
        }));
  }
}

/**
 * Yields the judgments and the items of each shard that has pairs, or records of other tasks. One shard is in memory at a time, or a
 * few of a remote store.
 */
async function* readJudgedShards<J, Item>(
  store: ArtifactStore,
  { pairs, judgments }: JudgedPairsInput,
  kind: 'pairs' | 'records',
  inOrder: (shards: number[]) => number[] = (shards) => shards,
): AsyncGenerator<[J[], Item[]]> {
  const itemShards = await readShardReferences(store, pairs);
  const judgmentShards = await readShardReferences(store, judgments);
  const read = async (shard: number): Promise<[J[], Item[]]> => {
    const [itemShard, judgmentShard] = [itemShards[shard], judgmentShards[shard]];
    if (itemShard === undefined || judgmentShard === undefined)
      throw new InvalidInput(`${judgments.uri} has no shard ${shard}`);
    return Promise.all([store.readRecords<J>(judgmentShard), store.readRecords<Item>(itemShard)]);
  };
  const shards = [...itemShards.entries()].flatMap(([number, shard]) =>
    hasTaskRecords(shard) === (kind === 'records') ? [number] : [],
  );
  yield* readAhead(inOrder(shards), shardsAhead(store), read);
}
