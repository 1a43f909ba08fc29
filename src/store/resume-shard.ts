import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { claimKey, latestEpoch, takeOverClaim } from './claims.ts';
import { FingerprintMismatch, LeaseLost, TooManySkipped } from './errors.ts';
import { fieldDifferences } from '../platform/field-differences.ts';
import type { Counts, Fingerprint, Manifest } from './artifact.ts';
import { deleteJournal, journalUri, JournalWriter, readJournal } from './journal.ts';
import type { ObjectStore } from './objects/object-store.ts';
import type { ArtifactStore } from './artifact-store.ts';
import { identifyProcess, type ProcessIdentity } from '../platform/process-identity.ts';
import { SharedPlaces } from '../platform/shared-places.ts';
import { awaitEarlierAttempts, markEnded, markFinishing } from './shard-handover.ts';
import {
  countSkipReasons,
  SKIPPED_FILE,
  UnitFailed,
  type EndOfAttempt,
  type RequestUsage,
  type ResumableShard,
  type ShardRecord,
  type SkippedRecord,
} from './shard-types.ts';

interface LeaseHolder {
  readonly token: string;
  readonly fingerprint: Fingerprint;
  /** Absent in claims of earlier versions. */
  readonly process?: ProcessIdentity | undefined;
}

type JournalEntry<Item> = Item | { readonly skipped: SkippedRecord };

/**
 * Does the remaining work of a shard, and publishes the result once. Every answer is on disk within a second. A later
 * attempt reads the answers of all earlier ones and requests only the missing ones. An attempt that was superseded by
 * another one notices the newer epoch and doesn't publish; it stores the answers to the requests that it has sent, and the
 * newer one waits for them.
 * @throws FingerprintMismatch, LeaseLost, TooManySkipped
 */
export async function resumeShard<Unit extends { readonly id: string }, Item extends ShardRecord, Result>(
  store: ArtifactStore,
  shard: ResumableShard<Unit, Item, Result>,
): Promise<Manifest> {
  const { objects } = store;
  const journal = journalUri(shard.uri);
  const leases = `${journal}/leases`;
  const [complete, claim] = await Promise.all([
    store.findIntact(shard.uri, shard.fingerprint),
    store.latestClaim<LeaseHolder>(leases),
  ]);
  if (complete !== undefined) {
    await deleteJournal(objects, journal);
    return complete;
  }
  const earlier = claim?.holder;
  if (earlier !== undefined && fieldDifferences(earlier.fingerprint, shard.fingerprint).length > 0) {
    throw new FingerprintMismatch(shard.uri, earlier.fingerprint, shard.fingerprint);
  }
  const holder: LeaseHolder = {
    token: randomUUID(),
    fingerprint: shard.fingerprint,
    process: await identifyProcess(process.pid),
  };
  const epoch = await takeOverClaim(objects, leases, holder, claim?.epoch ?? 0);
  const lease = watchLease(objects, leases, epoch, shard);
  const stop = AbortSignal.any([shard.signal, lease.signal]);
  try {
    await awaitEarlierAttempts(objects, leases, epoch, stop);
    return await workAsHolder(store, { ...shard, signal: stop }, lease);
  } catch (error) {
    // If this fails too, the next attempt waits in vain for some seconds.
    await markEnded(objects, leases, epoch).catch(() => undefined);
    throw error;
  } finally {
    lease.close();
  }
}

/** The work of the attempt that has the latest claim. */
async function workAsHolder<Unit extends { readonly id: string }, Item extends ShardRecord, Result>(
  store: ArtifactStore,
  shard: ResumableShard<Unit, Item, Result>,
  lease: Pick<ReturnType<typeof watchLease>, 'signal' | 'look'>,
): Promise<Manifest> {
  const { objects } = store;
  const journal = journalUri(shard.uri);
  const { records, failed } = mergeJournal(await readJournal<JournalEntry<Item>>(objects, journal));
  // An earlier attempt failed because of these units. Whoever restarts it has presumably fixed the cause, so they are
  // requested again.
  if (exceedsSkippedShare(shard, failed.size)) failed.clear();
  const segment = await JournalWriter.open(objects, journal);
  const { end, close } = endOfAttempt(shard.signal, shard.finishSeconds);
  try {
    await processUnits(shard, records, failed, segment, end);
  } finally {
    close();
    await segment.close();
  }

  await lease.look();
  lease.signal.throwIfAborted();
  const { results, setAside } = assembleAll(shard, records, failed);
  const manifest = await store.publish(shard.uri, {
    fingerprint: shard.fingerprint,
    records: results,
    counts: { ...shard.countResults(results), ...countSkipReasons(setAside), ...countUsage(records) },
    files: { [SKIPPED_FILE]: setAside },
  });
  await deleteJournal(objects, journal);
  return manifest;
}

/**
 * Interval at which an attempt checks whether another one has taken over. Until it notices, it sends further requests, and the
 * other one waits (shard-handover.ts).
 */
const LEASE_CHECK_INTERVAL_MS = 1000;

/** A signal that is aborted with LeaseLost once there is a newer epoch. Its holder is told that this one finishes its requests. */
function watchLease(
  objects: ObjectStore,
  leases: string,
  epoch: number,
  { uri, finishSeconds }: { readonly uri: string; readonly finishSeconds: number },
) {
  const lost = new AbortController();
  const look = async (): Promise<void> => {
    if (lost.signal.aborted) return;
    // A list of a bucket costs twelve times as much as a look at an object.
    const [own, next] = await Promise.all([
      objects.head(claimKey(leases, epoch)),
      objects.head(claimKey(leases, epoch + 1)),
    ]);
    if (own !== undefined && next === undefined) return;
    const latest = await latestEpoch(objects, leases);
    if (latest === epoch) return;
    lost.abort(new LeaseLost(`another attempt has taken over ${uri}`));
    // Without claims the other one has published the shard.
    if (latest > 0) await markFinishing(objects, leases, epoch, finishSeconds);
  };
  // A failed check is ignored, except the last one, before the result is published.
  const timer = setInterval(() => void look().catch(() => undefined), LEASE_CHECK_INTERVAL_MS);
  return { signal: lost.signal, look, close: () => clearInterval(timer) };
}

/** The signals of an attempt whose requests may go on for some seconds after `stop`. */
function endOfAttempt(stop: AbortSignal, finishSeconds: number): { end: EndOfAttempt; close: () => void } {
  const aborting = new AbortController();
  const end = { stop, abort: aborting.signal };
  // Each request adds a listener.
  setMaxListeners(0, end.stop, end.abort);
  let timer: NodeJS.Timeout | undefined;
  const onStop = () => (timer = setTimeout(() => aborting.abort(stop.reason as Error), 1000 * finishSeconds));
  if (stop.aborted) onStop();
  else stop.addEventListener('abort', onStop, { once: true });
  return {
    end,
    close() {
      stop.removeEventListener('abort', onStop);
      clearTimeout(timer);
    },
  };
}

function mergeJournal<Item extends ShardRecord>(segments: readonly JournalEntry<Item>[]) {
  const records = new Map<string, Map<string, Item>>();
  const failed = new Map<string, SkippedRecord>();
  for (const entry of segments) {
    if ('skipped' in entry) failed.set(entry.skipped.id, entry.skipped);
    else addRecord(records, entry);
  }
  return { records, failed };
}

function addRecord<Item extends ShardRecord>(records: Map<string, Map<string, Item>>, record: Item): void {
  const ofUnit = records.get(record.unit) ?? new Map<string, Item>();
  records.set(record.unit, ofUnit);
  // Two attempts may have sent the same request while one took over from the other: both answers are valid.
  if (!ofUnit.has(record.id)) ofUnit.set(record.id, record);
}

async function processUnits<Unit extends { readonly id: string }, Item extends ShardRecord, Result>(
  shard: ResumableShard<Unit, Item, Result>,
  records: Map<string, Map<string, Item>>,
  failed: Map<string, SkippedRecord>,
  segment: JournalWriter,
  end: EndOfAttempt,
): Promise<void> {
  let done = 0;
  const finish = async (unit: Unit): Promise<void> => {
    shard.signal.throwIfAborted();
    if (!failed.has(unit.id)) {
      try {
        const existing = [...(records.get(unit.id)?.values() ?? [])];
        const emit = (record: Item): void => {
          addRecord(records, record);
          segment.append(record);
        };
        await shard.processUnit(unit, existing, emit, end);
      } catch (error) {
        if (!(error instanceof UnitFailed)) throw error;
        const setAside: SkippedRecord = {
          id: unit.id,
          kind: 'failed',
          reason: error.reason,
          detail: error.message,
        };
        failed.set(unit.id, setAside);
        segment.append({ skipped: setAside });
        failIfTooManySkipped(shard, [...failed.values()]);
      }
    }
    done += 1;
    shard.onProgress({ done, units: shard.units.length });
  };
  const { units, concurrency, signal } = shard;
  if (typeof concurrency === 'number') await new SharedPlaces(concurrency).forEach(0, units, finish, signal);
  else await concurrency.forEach(units, finish, signal);
}

type SkipLimits = Pick<
  ResumableShard<{ readonly id: string }, ShardRecord, unknown>,
  'uri' | 'units' | 'maxSkippedShare'
>;

function exceedsSkippedShare({ units, maxSkippedShare }: SkipLimits, failed: number): boolean {
  return failed > Math.ceil(units.length * maxSkippedShare);
}

function failIfTooManySkipped(shard: SkipLimits, failed: readonly SkippedRecord[]): void {
  if (!exceedsSkippedShare(shard, failed.length)) return;
  const commonest = Object.entries(countSkipReasons(failed))
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([reason, count]) => `${reason} ${count}x`);
  throw new TooManySkipped(
    `${shard.uri}: ${failed.length} of ${shard.units.length} units failed permanently, more than the allowed share of ` +
      `${shard.maxSkippedShare} (inference.maxSkippedShare). Commonest: ${commonest.join(', ')}. ` +
      `The last message: ${failed.at(-1)?.detail ?? ''}`,
  );
}

function assembleAll<Unit extends { readonly id: string }, Item extends ShardRecord, Result>(
  shard: ResumableShard<Unit, Item, Result>,
  records: ReadonlyMap<string, ReadonlyMap<string, Item>>,
  failed: ReadonlyMap<string, SkippedRecord>,
) {
  const results: (Result & { readonly id: string })[] = [];
  const setAside: SkippedRecord[] = [];
  for (const unit of shard.units) {
    const failure = failed.get(unit.id);
    const assembled = failure ?? shard.assembleResults(unit, [...(records.get(unit.id)?.values() ?? [])]);
    if ('reason' in assembled) setAside.push(assembled);
    else results.push(...assembled);
  }
  const byId = (a: { readonly id: string }, b: { readonly id: string }) =>
    a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
  return { results: results.sort(byId), setAside: setAside.sort(byId) };
}

function countUsage(records: ReadonlyMap<string, ReadonlyMap<string, ShardRecord>>): Counts {
  const usages = [...records.values()].flatMap((ofUnit) =>
    [...ofUnit.values()].flatMap(({ usage }) => usage ?? []),
  );
  const sum = (of: (usage: RequestUsage) => number) => usages.reduce((total, usage) => total + of(usage), 0);
  const resent = sum((usage) => usage.retries ?? 0);
  return {
    requests: sum((usage) => usage.requests ?? 1),
    ...(resent > 0 ? { requestsSentAgain: resent } : {}),
    promptTokens: sum((usage) => usage.promptTokens),
    completionTokens: sum((usage) => usage.completionTokens),
  };
}
