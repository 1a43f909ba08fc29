import type { ArtifactReference, Counts, Fingerprint, Manifest } from './reference.ts';
import { referenceTo, type ArtifactContent, type ArtifactStore } from './store.ts';

/** The uri of a stage's shard. */
export function shardUri(stageUri: string, shard: number): string {
  return `${stageUri}/shard-${String(shard).padStart(5, '0')}`;
}

/**
 * Cuts records into shards of `size` and publishes each: the shard bounds of all stages that follow, made once. Shards
 * that an earlier attempt has left keep their bounds, also where it cut by another size. Holds one shard's records.
 */
export async function publishInShards(
  store: ArtifactStore,
  stageUri: string,
  records: Iterable<unknown> | AsyncIterable<unknown>,
  size: number,
  fingerprint: Fingerprint,
): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  let start = 0;
  let waiting: unknown[] = [];
  /** Records of a standing shard that is larger than those cut now. */
  let published = 0;
  const publish = async (): Promise<void> => {
    const manifest = await store.publish(shardUri(stageUri, manifests.length), {
      fingerprint: { ...fingerprint, start },
      records: waiting,
    });
    manifests.push(manifest);
    start += manifest.records;
    published = Math.max(0, manifest.records - waiting.length);
    waiting = waiting.slice(manifest.records);
  };
  for await (const record of records) {
    if (published > 0) published -= 1;
    else if (waiting.push(record) >= size) await publish();
  }
  while (waiting.length > 0) await publish();
  return manifests;
}

/** Publishes the list of a stage's shards: the one reference that stands for all of them. */
export async function publishIndex(
  store: ArtifactStore,
  stageUri: string,
  shards: readonly Manifest[],
  more: {
    readonly fingerprint?: Fingerprint;
    readonly counts?: Counts;
    readonly summary?: unknown;
    readonly files?: ArtifactContent['files'];
  } = {},
): Promise<Manifest> {
  const references = shards.map(referenceTo);
  return store.publish(`${stageUri}/index`, {
    fingerprint: more.fingerprint ?? { shards: references.map((shard) => shard.sha256) },
    records: references,
    counts: sumCounts([...shards.map((shard) => shard.counts), more.counts ?? {}]),
    ...(more.summary === undefined ? {} : { summary: more.summary }),
    ...(more.files === undefined ? {} : { files: more.files }),
  });
}

/**
 * The index of a complete stage that means what is wanted, as `ArtifactStore.completed`, once its shards have been looked
 * at too; undefined where something is missing or damaged and the stage is to publish again: what is whole stays.
 */
export async function completedIndex(
  store: ArtifactStore,
  stageUri: string,
  fingerprint: Fingerprint,
): Promise<Manifest | undefined> {
  const index = await store.completed(`${stageUri}/index`, fingerprint);
  if (index === undefined) return undefined;
  let isWhole = true;
  for (const shard of await shardsOf(store, index)) isWhole = (await store.isWhole(shard)) && isWhole;
  return isWhole ? index : undefined;
}

/** The references to the shards of an index. */
export async function shardsOf(store: ArtifactStore, index: ArtifactReference): Promise<ArtifactReference[]> {
  return store.records<ArtifactReference>(index);
}

/** All records behind an index, shard by shard. */
export async function* recordsBehind<T>(store: ArtifactStore, index: ArtifactReference): AsyncGenerator<T> {
  for (const shard of await shardsOf(store, index)) yield* await store.records<T>(shard);
}

/** Sums counts by name. */
export function sumCounts(all: readonly Counts[]): Counts {
  const sum: { [name: string]: number } = {};
  for (const counts of all)
    for (const [name, value] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + value;
  return sum;
}
