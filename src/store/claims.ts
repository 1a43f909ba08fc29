import type { ObjectStore } from './objects/object-store.ts';

/** The latest claim on a piece of work. */
export interface Claim<T> {
  /** The highest epoch that was claimed. */
  readonly epoch: number;
  /**
   * The holder of the highest epoch whose claim can be read. Undefined if none can be read: nobody holds the work then.
   */
  readonly holder: T | undefined;
  /** The claims above the holder's that can't be read. Present only if there are any. */
  readonly unreadable?: readonly string[];
}

/**
 * Returns the latest claim below a prefix, or undefined. A claim is an object named by its epoch. It is created by
 * `putIfAbsent`, which fails if another process has claimed the epoch. A claim that is empty or truncated, as the crash
 * of a machine or of a network file system may leave it, counts as made by nobody: its epoch is used up, and the next
 * one can be claimed.
 */
export async function latestClaim<T>(objects: ObjectStore, prefix: string): Promise<Claim<T> | undefined> {
  const epochs = await claimedEpochs(objects, prefix);
  const [highest] = epochs;
  if (highest === undefined) return undefined;
  const unreadable: string[] = [];
  for (const epoch of epochs) {
    const key = claimKey(prefix, epoch);
    const found = await objects.get(key);
    if (found === undefined) continue;
    const holder = parseHolder<T>(found.content);
    if (holder !== undefined)
      return { epoch: highest, holder, ...(unreadable.length === 0 ? {} : { unreadable }) };
    unreadable.push(objects.locate(key));
  }
  return unreadable.length === 0 ? undefined : { epoch: highest, holder: undefined, unreadable };
}

function parseHolder<T>(content: Buffer): T | undefined {
  try {
    return (JSON.parse(content.toString('utf8')) as T | null) ?? undefined;
  } catch {
    return undefined;
  }
}

/** The log line about claims that can't be read. */
export function unreadableClaimsMessage(files: readonly string[]): string {
  return `${files.join(', ')} can't be read (a crash may have truncated it) and counts as a claim by nobody`;
}

/**
 * Raises the epoch from `after` (0: unclaimed) to the next one for `holder`. Returns false if another process was
 * first; the caller then reads the latest claim and decides again.
 */
export async function tryClaim(
  objects: ObjectStore,
  prefix: string,
  after: number,
  holder: unknown,
): Promise<boolean> {
  return objects.putIfAbsent(claimKey(prefix, after + 1), `${JSON.stringify(holder)}\n`, { sync: 'content' });
}

/**
 * Takes the work over from its present holder. Returns the new epoch, which supersedes all earlier ones.
 * @param latest the latest epoch, if the caller has just read it
 */
export async function takeOverClaim(
  objects: ObjectStore,
  prefix: string,
  holder: unknown,
  latest?: number,
): Promise<number> {
  for (let known = latest; ; known = undefined) {
    const epoch = known ?? (await latestEpoch(objects, prefix));
    if (await tryClaim(objects, prefix, epoch, holder)) return epoch + 1;
  }
}

/** Returns the latest epoch below a prefix; 0 if there is no claim. */
export async function latestEpoch(objects: ObjectStore, prefix: string): Promise<number> {
  return (await claimedEpochs(objects, prefix))[0] ?? 0;
}

/** The epochs of all claims below a prefix, the highest first. */
export async function claimedEpochs(objects: ObjectStore, prefix: string): Promise<number[]> {
  return epochsAmong((await objects.children(prefix)).map(({ name }) => name));
}

/** The epochs of the claims among the names below a prefix, the highest first. */
export function epochsAmong(names: readonly string[]): number[] {
  return names
    .map((name) => Number(/^(\d{6})\.json$/.exec(name)?.[1] ?? 0))
    .filter((epoch) => epoch > 0)
    .sort((a, b) => b - a);
}

/** Returns the key of a claim. */
export function claimKey(prefix: string, epoch: number): string {
  return `${prefix}/${String(epoch).padStart(6, '0')}.json`;
}
