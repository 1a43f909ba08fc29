/** Notes in the store by which workers tell the machine that serves a model that they can't reach it. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { LEASE_SECONDS, MACHINES, parseJson } from './served-models.ts';

const note = z.object({
  /** Another one after each renewal; a note that is renewed no longer is that of a worker that is gone. */
  renewal: z.string(),
  /** Why each base URL can't be reached. */
  reasons: z.record(z.string(), z.string()),
});

const prefixOf = (machine: string): string => `${MACHINES}/${machine}/unreachable-from`;
const keyOf = (machine: string, worker: string): string => `${prefixOf(machine)}/${worker}.json`;

/** Writes or renews the note of a worker's machine on the models that another machine serves. */
export async function writeUnreachableNote(
  objects: ObjectStore,
  machine: string,
  worker: string,
  reasons: Readonly<Record<string, string>>,
): Promise<void> {
  const text = JSON.stringify({ renewal: randomUUID(), reasons });
  await objects.put(keyOf(machine, worker), text, { sync: 'none' });
}

/** Removes the note of a worker's machine, if there is one. */
export async function removeUnreachableNote(
  objects: ObjectStore,
  machine: string,
  worker: string,
): Promise<void> {
  await objects.delete(keyOf(machine, worker));
}

/** Reads again and again why workers can't reach a base URL of a machine: one reason for each machine with such workers. */
export function createUnreachableNotesReader(
  objects: ObjectStore,
  machine: string,
): (baseUrl: string) => Promise<string[]> {
  const seen = new Map<string, { renewal: string; since: number }>();
  return async (baseUrl) => {
    const names = await objects.children(prefixOf(machine));
    const reasons = await Promise.all(
      names.map(async ({ name }) => {
        const object = await objects.get(`${prefixOf(machine)}/${name}`);
        const content = object === undefined ? undefined : parseJson(note, object.content);
        if (content === undefined) return [];
        const { renewal, reasons: byUrl } = content;
        if (seen.get(name)?.renewal !== renewal) seen.set(name, { renewal, since: performance.now() });
        const age = (performance.now() - (seen.get(name)?.since ?? 0)) / 1000;
        const reason = byUrl[baseUrl];
        return reason === undefined || age > LEASE_SECONDS ? [] : [reason];
      }),
    );
    return reasons.flat();
  };
}
