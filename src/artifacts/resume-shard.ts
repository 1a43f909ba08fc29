import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newestClaim, newestEpoch, takeOver } from './claim.ts';
import { differingFields, FingerprintMismatch, LeaseLost, TooManySetAside } from './errors.ts';
import type { Counts, Fingerprint, Manifest } from './reference.ts';
import { readSegments, SegmentWriter } from './segments.ts';
import type { ArtifactStore } from './store.ts';

export const SET_ASIDE_FILE = 'set-aside.jsonl';

/** One answer of a model, kept as soon as it is there. */
export interface WorkRecord {
  readonly id: string;
  /** The unit that it belongs to. */
  readonly unit: string;
  /** What the request cost; of several answers to one request the first one carries it. */
  readonly usage?: Usage;
}

/** What an answer cost. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Requests that were answered; one where an older worker wrote the record. */
  readonly requests?: number;
  /** Requests before them that failed and were sent again. */
  readonly resent?: number;
}

/** A unit that leads to no record: it failed for good, or the method drops it. */
export interface SetAside {
  readonly id: string;
  readonly kind: 'failed' | 'dropped';
  /** A short reason that units can be counted by, such as `context-length`. */
  readonly reason: string;
  readonly detail?: string;
}

/** Says that a unit can't be done, with a reason to count it by; the rest of the shard goes on. */
export class UnitFailed extends Error {
  override readonly name = 'UnitFailed';
  readonly reason: string;

  constructor(reason: string, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

/** A piece of work that resumes at the record. */
export interface ShardWork<Unit extends { readonly id: string }, Record extends WorkRecord, Result> {
  readonly uri: string;
  readonly fingerprint: Fingerprint;
  readonly units: readonly Unit[];
  /**
   * Asks for what is missing of a unit, given the records on disk, and emits each answer as it arrives.
   * Throws UnitFailed to set the unit aside; any other error ends the attempt.
   */
  readonly work: (unit: Unit, existing: readonly Record[], emit: (record: Record) => void) => Promise<void>;
  /** What is published of a finished unit. */
  readonly assemble: (
    unit: Unit,
    records: readonly Record[],
  ) => readonly (Result & { readonly id: string })[] | SetAside;
  readonly count: (results: readonly Result[]) => Counts;
  readonly concurrency: number;
  /** More than this share of the units failed for good is a failure of the whole. */
  readonly maximumSetAsideShare: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly done: number; readonly units: number }) => void;
}

interface Holder {
  readonly token: string;
  readonly fingerprint: Fingerprint;
}

type Segment<Record> = Record | { readonly failed: SetAside };

/**
 * Does a shard's work, or what is left of it, and publishes the result once. Every answer is on disk within a second;
 * a later attempt reads what all earlier ones left and asks only for the rest. An attempt that was overtaken by
 * another finds its epoch outdated and doesn't publish.
 * @throws FingerprintMismatch, LeaseLost, TooManySetAside
 */
export async function resumeShard<Unit extends { readonly id: string }, Record extends WorkRecord, Result>(
  store: ArtifactStore,
  shard: ShardWork<Unit, Record, Result>,
): Promise<Manifest> {
  const folder = `${store.path(shard.uri)}.work`;
  const complete = await store.completed(shard.uri, shard.fingerprint);
  if (complete !== undefined) {
    await rm(folder, { recursive: true, force: true });
    return complete;
  }
  const leases = join(folder, 'leases');
  const earlier = await newestClaim<Holder>(leases);
  if (earlier !== undefined && differingFields(earlier.holder.fingerprint, shard.fingerprint).length > 0) {
    throw new FingerprintMismatch(shard.uri, earlier.holder.fingerprint, shard.fingerprint);
  }
  const holder: Holder = { token: randomUUID(), fingerprint: shard.fingerprint };
  const epoch = await takeOver(leases, holder);

  const { records, failed } = merge(await readSegments<Segment<Record>>(folder));
  // These have failed the whole shard already: who starts it again has mended something, so they are asked again.
  if (tooMany(shard, failed.size)) failed.clear();
  const segment = await SegmentWriter.create(folder);
  const lease = watchLease(leases, epoch, shard.uri);
  try {
    const signal = AbortSignal.any([shard.signal, lease.signal]);
    await workOnUnits({ ...shard, signal }, records, failed, segment);
  } finally {
    lease.close();
    await segment.close();
  }

  await lease.look();
  lease.signal.throwIfAborted();
  const { results, setAside } = assembleAll(shard, records, failed);
  const manifest = await store.publish(shard.uri, {
    fingerprint: shard.fingerprint,
    records: results,
    counts: { ...shard.count(results), ...countReasons(setAside), ...countUsage(records) },
    files: { [SET_ASIDE_FILE]: setAside },
  });
  await rm(folder, { recursive: true, force: true });
  return manifest;
}

/** How often an attempt looks whether another has taken over: until then both ask the model the same. */
const LEASE_MILLISECONDS = 1000;

/** Aborts with LeaseLost once a newer epoch is there. */
function watchLease(leases: string, epoch: number, uri: string) {
  const lost = new AbortController();
  const look = async (): Promise<void> => {
    if ((await newestEpoch(leases)) !== epoch)
      lost.abort(new LeaseLost(`another attempt has taken over ${uri}`));
  };
  // A look that fails decides nothing; the last one, before the result is published, must not fail.
  const timer = setInterval(() => void look().catch(() => undefined), LEASE_MILLISECONDS);
  return { signal: lost.signal, look, close: () => clearInterval(timer) };
}

function merge<Record extends WorkRecord>(segments: readonly Segment<Record>[]) {
  const records = new Map<string, Map<string, Record>>();
  const failed = new Map<string, SetAside>();
  for (const entry of segments) {
    if ('failed' in entry) failed.set(entry.failed.id, entry.failed);
    else add(records, entry);
  }
  return { records, failed };
}

function add<Record extends WorkRecord>(records: Map<string, Map<string, Record>>, record: Record): void {
  const ofUnit = records.get(record.unit) ?? new Map<string, Record>();
  records.set(record.unit, ofUnit);
  // Two attempts may have asked the same question while one took over from the other: either answer is good.
  if (!ofUnit.has(record.id)) ofUnit.set(record.id, record);
}

async function workOnUnits<Unit extends { readonly id: string }, Record extends WorkRecord, Result>(
  shard: ShardWork<Unit, Record, Result>,
  records: Map<string, Map<string, Record>>,
  failed: Map<string, SetAside>,
  segment: SegmentWriter,
): Promise<void> {
  let done = 0;
  const finish = async (unit: Unit): Promise<void> => {
    shard.signal.throwIfAborted();
    if (!failed.has(unit.id)) {
      try {
        await shard.work(unit, [...(records.get(unit.id)?.values() ?? [])], (record) => {
          add(records, record);
          segment.append(record);
        });
      } catch (error) {
        if (!(error instanceof UnitFailed)) throw error;
        const setAside: SetAside = {
          id: unit.id,
          kind: 'failed',
          reason: error.reason,
          detail: error.message,
        };
        failed.set(unit.id, setAside);
        segment.append({ failed: setAside });
        failWhenTooMany(shard, [...failed.values()]);
      }
    }
    done += 1;
    shard.onProgress({ done, units: shard.units.length });
  };
  await forEachAtOnce(shard.units, shard.concurrency, finish);
}

/** Runs `work` on every item, `atOnce` at a time. After a failure nothing new starts, but what runs is waited for: its answers are paid for. */
async function forEachAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  let failure: { readonly error: unknown } | undefined;
  const workThrough = async (): Promise<void> => {
    for (const item of rest) {
      if (failure !== undefined) return;
      try {
        await work(item);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, workThrough));
  if (failure !== undefined) throw failure.error;
}

type Limits = Pick<
  ShardWork<{ readonly id: string }, WorkRecord, unknown>,
  'uri' | 'units' | 'maximumSetAsideShare'
>;

function tooMany({ units, maximumSetAsideShare }: Limits, failed: number): boolean {
  return failed > Math.ceil(units.length * maximumSetAsideShare);
}

function failWhenTooMany(shard: Limits, failed: readonly SetAside[]): void {
  if (!tooMany(shard, failed.length)) return;
  const commonest = Object.entries(countReasons(failed))
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([reason, count]) => `${reason} ${count}x`);
  throw new TooManySetAside(
    `${shard.uri}: ${failed.length} of ${shard.units.length} units failed for good, more than the allowed share of ` +
      `${shard.maximumSetAsideShare} (inference.maximumSetAsideShare). Commonest: ${commonest.join(', ')}. ` +
      `The last one said: ${failed.at(-1)?.detail ?? ''}`,
  );
}

function assembleAll<Unit extends { readonly id: string }, Record extends WorkRecord, Result>(
  shard: ShardWork<Unit, Record, Result>,
  records: ReadonlyMap<string, ReadonlyMap<string, Record>>,
  failed: ReadonlyMap<string, SetAside>,
) {
  const results: (Result & { readonly id: string })[] = [];
  const setAside: SetAside[] = [];
  for (const unit of shard.units) {
    const failure = failed.get(unit.id);
    const assembled = failure ?? shard.assemble(unit, [...(records.get(unit.id)?.values() ?? [])]);
    if ('reason' in assembled) setAside.push(assembled);
    else results.push(...assembled);
  }
  const byId = (a: { readonly id: string }, b: { readonly id: string }) =>
    a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
  return { results: results.sort(byId), setAside: setAside.sort(byId) };
}

function countUsage(records: ReadonlyMap<string, ReadonlyMap<string, WorkRecord>>): Counts {
  const usages = [...records.values()].flatMap((ofUnit) =>
    [...ofUnit.values()].flatMap(({ usage }) => usage ?? []),
  );
  const sum = (of: (usage: Usage) => number) => usages.reduce((total, usage) => total + of(usage), 0);
  const resent = sum((usage) => usage.resent ?? 0);
  return {
    requests: sum((usage) => usage.requests ?? 1),
    ...(resent > 0 ? { requestsSentAgain: resent } : {}),
    promptTokens: sum((usage) => usage.promptTokens),
    completionTokens: sum((usage) => usage.completionTokens),
  };
}

/** Counts what was set aside by kind and reason. */
export function countReasons(setAside: readonly SetAside[]): Counts {
  const counts: { [reason: string]: number } = {};
  for (const { kind, reason } of setAside) {
    const key = `${kind}: ${reason}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
