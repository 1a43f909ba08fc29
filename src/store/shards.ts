import pLimit from 'p-limit';
import { readAhead } from '../platform/read-ahead.ts';
import { sumCounts } from '../platform/sum-counts.ts';
import type { ArtifactReference, Counts, Fingerprint, Manifest } from './artifact.ts';
import type { ArtifactStore } from './artifact-store.ts';
import { toReference, type ArtifactContent } from './artifact.ts';

const CONCURRENT_CHECKS = 8;
const SHARDS_AT_A_TIME = 8;

/** Returns the uri of a stage's shard. */
export function shardUri(stageUri: string, shard: number): string {
  return `${stageUri}/shard-${String(shard).padStart(5, '0')}`;
}

/**
 * Cuts records into shards of `size` and publishes each. All later stages use the same shards. Shards that an earlier
 * attempt has published keep their bounds, even if they have another size. Holds one shard's records in memory, or
 * those of a few shards if the store is remote.
 */
export async function publishShards(
  store: ArtifactStore,
  stageUri: string,
  records: Iterable<unknown> | AsyncIterable<unknown>,
  size: number,
  fingerprint: Fingerprint,
): Promise<Manifest[]> {
  if (store.objects.isRemote && (await store.names(stageUri)).length === 0)
    return publishNewShards(store, stageUri, records, size, fingerprint);
  const manifests: Manifest[] = [];
  let start = 0;
  let waiting: unknown[] = [];
  /** The remaining records of an existing shard that is larger than the present size. */
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

/** Publishes several shards at a time, of a stage that has none: their bounds follow from their size. */
async function publishNewShards(
  store: ArtifactStore,
  stageUri: string,
  records: Iterable<unknown> | AsyncIterable<unknown>,
  size: number,
  fingerprint: Fingerprint,
): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  const publish = async ({ shard, rows }: { shard: number; rows: readonly unknown[] }): Promise<Manifest> => {
    const uri = shardUri(stageUri, shard);
    const start = shard * size;
    const manifest = await store.publish(uri, { fingerprint: { ...fingerprint, start }, records: rows });
    if (manifest.records !== rows.length)
      throw new Error(`${uri} was published with another size meanwhile; the next attempt keeps it`);
    return manifest;
  };
  for await (const manifest of readAhead(cut(records, size), SHARDS_AT_A_TIME - 1, publish))
    manifests.push(manifest);
  return manifests;
}

async function* cut(records: Iterable<unknown> | AsyncIterable<unknown>, size: number) {
  let shard = 0;
  let rows: unknown[] = [];
  for await (const record of records) {
    if (rows.push(record) < size) continue;
    yield { shard, rows };
    shard += 1;
    rows = [];
  }
  if (rows.length > 0) yield { shard, rows };
}

/** Publishes the list of a stage's shards, to which one reference refers. */
export async function publishShardIndex(
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
  const references = shards.map(toReference);
  return store.publish(`${stageUri}/index`, {
    fingerprint: more.fingerprint ?? { shards: references.map((shard) => shard.sha256) },
    records: references,
    counts: sumCounts([...shards.map((shard) => shard.counts), more.counts ?? {}]),
    ...(more.summary === undefined ? {} : { summary: more.summary }),
    ...(more.files === undefined ? {} : { files: more.files }),
  });
}

/**
 * Returns the index of a complete stage with this fingerprint, like `ArtifactStore.completed`, after checking its
 * shards. Returns undefined if something is missing or damaged, so that the stage publishes again; intact shards are
 * kept.
 */
export async function findIntactIndex(
  store: ArtifactStore,
  stageUri: string,
  fingerprint: Fingerprint,
): Promise<Manifest | undefined> {
  const index = await store.findIntact(`${stageUri}/index`, fingerprint);
  if (index === undefined) return undefined;
  const checked = pLimit(CONCURRENT_CHECKS);
  const shards = await readShardReferences(store, index);
  const intact = await Promise.all(shards.map((shard) => checked(() => store.isIntact(shard))));
  return intact.every(Boolean) ? index : undefined;
}

/** Returns the references to the shards of an index. */
export async function readShardReferences(
  store: ArtifactStore,
  index: ArtifactReference,
): Promise<ArtifactReference[]> {
  return store.readRecords<ArtifactReference>(index);
}

/** How many further shards are read while one is used: a remote store answers late, but several requests at a time. */
export function shardsAhead({ objects }: ArtifactStore): number {
  return objects.isRemote ? 3 : 0;
}

/** Reads all records of an index, shard by shard. */
export async function* readShardedRecords<T>(
  store: ArtifactStore,
  index: ArtifactReference,
): AsyncGenerator<T> {
  const shards = await readShardReferences(store, index);
  for await (const records of readAhead(shards, shardsAhead(store), (shard) => store.readRecords<T>(shard)))
    yield* records;
}
