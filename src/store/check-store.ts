/** Tries whether a store keeps what runs rely on (src/store/objects/object-store.ts). */
import { randomUUID } from 'node:crypto';
import { StorageUnavailable } from '../platform/file-system.ts';
import { forEachConcurrently } from '../platform/for-each-concurrently.ts';
import { SetupError } from '../platform/setup-error.ts';
import type { ObjectStore } from './objects/object-store.ts';

/** The objects of trials, and of the checks whether all workers see the same store, are below this prefix. */
export const TRIAL_PREFIX = '.preflight';

/** A trial takes less than a second, so older objects are left by processes that were killed. */
const LEFT_BEHIND_MS = 3_600_000;

const CONCURRENT_DELETES = 16;
const RACES = 12;
const RACERS = 4;

/** A store doesn't keep what runs rely on. */
export class StoreUnusable extends SetupError {
  override name = 'StoreUnusable';
}

/**
 * Creates, replaces and races for a few objects, and deletes them again. Takes a few milliseconds on a local disk.
 * @param open opens the store; called several times, as by several processes
 * @throws StoreUnusable that says what the store can't do, and what to do; StorageUnavailable if its disk is full
 */
export async function checkStore(open: () => ObjectStore): Promise<void> {
  const objects = open();
  const prefix = `${TRIAL_PREFIX}/${randomUUID()}`;
  let problem: string | undefined;
  let cause: unknown;
  try {
    await removeOldTrials(objects);
    problem = await findProblem(objects, open, prefix);
  } catch (error) {
    if (error instanceof StorageUnavailable) {
      // A full disk says nothing about the file system.
      if (error.isFull) throw error;
      const message = `The store ${objects.address} can't be used: ${withoutPlace(error.reason, objects.address)}.`;
      throw new StoreUnusable(message, { cause: error });
    }
    cause = error;
    problem = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
  } finally {
    await deleteAll(objects, prefix).catch((error: unknown) => (problem ??= String(error)));
  }
  if (problem === undefined) return;
  throw new StoreUnusable(
    `The store ${objects.address} can't be used: ${problem}. ${objects.words.advice}.`,
    { cause },
  );
}

/** A reason may begin with the address, which has been named already. */
function withoutPlace(reason: string, address: string): string {
  return reason.startsWith(`${address}: `) ? reason.slice(address.length + 2) : reason;
}

/** Deletes what trials have left that were killed. Returns the number of objects. */
export async function removeOldTrials(objects: ObjectStore): Promise<number> {
  const left = [...(await objects.list(TRIAL_PREFIX)), ...(await objects.listIncomplete(TRIAL_PREFIX))];
  const old = left.filter(({ modifiedAt }) => Date.now() - modifiedAt.getTime() > LEFT_BEHIND_MS);
  await forEachConcurrently(old, CONCURRENT_DELETES, ({ key }) => objects.delete(key));
  return old.length;
}

async function findProblem(
  objects: ObjectStore,
  open: () => ObjectStore,
  prefix: string,
): Promise<string | undefined> {
  const { object } = objects.words;
  const text = async (key: string) => (await objects.get(key))?.content.toString('utf8');
  const first = `${prefix}/first`;
  // Synced, file and name: this also tries whether the file system can do that.
  if (!(await objects.putIfAbsent(first, 'first')))
    return `creating a new ${object} fails as if the ${object} already existed`;
  if (await objects.putIfAbsent(first, 'second'))
    return `creating ${article(object)} succeeds although the ${object} already exists`;
  if ((await text(first)) !== 'first')
    return `${article(object)} does not have the content that was just written`;
  const { version = '' } = (await objects.head(first)) ?? {};
  await objects.put(first, 'replaced', { sync: 'content' });
  if ((await text(first)) !== 'replaced') return `a replaced ${object} still has its earlier content`;
  if (await objects.replaceIfVersion(first, 'stale', version))
    return `the replacement of ${article(object)} is not noticed`;
  const racers = Array.from({ length: RACERS }, () => open());
  const races = Array.from({ length: RACES }, async (_, race) => {
    const key = `${prefix}/race-${race}`;
    const won = await Promise.all(
      racers.map((racer, index) => racer.putIfAbsent(key, String(index), { sync: 'none' })),
    );
    return won.filter(Boolean).length === 1 && (await text(key)) === String(won.indexOf(true));
  });
  if (!(await Promise.all(races)).every(Boolean))
    return 'several concurrent claims on the same work succeed or none does, so two workers could do the same work';
  const raced = (await objects.head(first))?.version ?? '';
  const replaced = await Promise.all(
    racers.map((racer, index) => racer.replaceIfVersion(first, String(index), raced)),
  );
  if (replaced.filter(Boolean).length !== 1 || (await text(first)) !== String(replaced.indexOf(true)))
    return `several concurrent replacements of ${article(object)} succeed or none does, so two trainers could hold the same lease`;
  await objects.delete(first);
  if ((await objects.head(first)) !== undefined) return `a deleted ${object} still exists`;
  return undefined;
}

function article(object: string): string {
  return `${object === 'object' ? 'an' : 'a'} ${object}`;
}

async function deleteAll(objects: ObjectStore, prefix: string): Promise<void> {
  const left = [...(await objects.list(prefix)), ...(await objects.listIncomplete(prefix))];
  await forEachConcurrently(left, CONCURRENT_DELETES, ({ key }) => objects.delete(key));
}
