/**
 * How an attempt at a shard hands over to the next one, so that none of its requests is sent twice. The one that was taken over
 * sends no more, says so, stores the answers that are still to come, and says that it has ended; the other one waits for that.
 * An attempt that was killed says nothing, and is waited for only as long as it may not have noticed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../platform/process-identity.ts';
import { processState } from '../platform/process-identity.ts';
import { claimKey, epochsAmong } from './claims.ts';
import type { ObjectStore } from './objects/object-store.ts';

/** Longer than an attempt takes to notice that it was taken over (resume-shard.ts). */
const NOTICE_MILLISECONDS = 3000;
/** More than the store takes to write the last answers. */
const WRITE_MILLISECONDS = 2000;
const POLL_MILLISECONDS = 200;

/** Tells the next attempt for how long this one still waits for answers. */
export async function markFinishing(
  objects: ObjectStore,
  leases: string,
  epoch: number,
  seconds: number,
): Promise<void> {
  await objects.put(markKey(leases, epoch, 'finishing'), String(seconds), { sync: 'none' });
}

/** Tells the next attempt that everything is stored. */
export async function markEnded(objects: ObjectStore, leases: string, epoch: number): Promise<void> {
  // A shard that the next attempt has published has no journal any more.
  if ((await objects.head(claimKey(leases, epoch))) === undefined) return;
  await objects.put(markKey(leases, epoch, 'ended'), '', { sync: 'none' });
}

/**
 * Waits until each attempt before `epoch` has ended, or has had its time to: the one before may itself have been taken over while
 * it waited for another one.
 * @throws the signal's reason
 */
export async function awaitEarlierAttempts(
  objects: ObjectStore,
  leases: string,
  epoch: number,
  signal: AbortSignal,
): Promise<void> {
  if (epoch === 1) return;
  const children = (await objects.children(leases)).map(({ name }) => name);
  const earlier = epochsAmong(children).filter((each) => each < epoch);
  const names = new Set(children.map((name) => `${leases}/${name}`));
  await Promise.all(
    earlier
      .filter((each) => !names.has(markKey(leases, each, 'ended')))
      .map(async (each) => {
        await awaitAttempt(objects, leases, each, signal);
        // Nobody waits for it again.
        await markEnded(objects, leases, each);
      }),
  );
}

async function awaitAttempt(
  objects: ObjectStore,
  leases: string,
  epoch: number,
  signal: AbortSignal,
): Promise<void> {
  const claim = await readClaim(objects, claimKey(leases, epoch));
  if (claim === undefined) return;
  let until = performance.now() + NOTICE_MILLISECONDS;
  let isFinishing = false;
  for (;;) {
    // It may have said something while this process stood still.
    const isLastLook = performance.now() >= until;
    signal.throwIfAborted();
    if ((await objects.head(markKey(leases, epoch, 'ended'))) !== undefined) return;
    if (claim.process !== undefined && (await processState(claim.process)) === 'dead') return;
    const finishing = isFinishing ? undefined : await objects.get(markKey(leases, epoch, 'finishing'));
    if (finishing !== undefined) {
      isFinishing = true;
      until = performance.now() + 1000 * Number(finishing.content.toString()) + WRITE_MILLISECONDS;
    }
    if (isLastLook && performance.now() >= until) return;
    await sleep(POLL_MILLISECONDS);
  }
}

/** Undefined if there is no such claim, or if a crash has emptied or truncated it. */
async function readClaim(
  objects: ObjectStore,
  key: string,
): Promise<{ readonly process?: ProcessIdentity } | undefined> {
  const found = await objects.get(key);
  try {
    return found && (JSON.parse(found.content.toString('utf8')) as { readonly process?: ProcessIdentity });
  } catch {
    return undefined;
  }
}

function markKey(leases: string, epoch: number, mark: 'finishing' | 'ended'): string {
  return claimKey(leases, epoch).replace(/json$/, mark);
}
