/**
 * Announces in the store which models a machine serves and where, so that the workers of other machines can try to reach
 * them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import type { ServerLog } from './monitor-server.ts';
import { baseUrlOf } from './server-process.ts';
import type { ServerEntry } from './server-registry.ts';

const servedModel = z.object({
  /** The model in messages. */
  label: z.string(),
  host: z.string(),
  port: z.number(),
  healthPath: z.string(),
  baseUrl: z.string(),
  /** False while it starts, for the first time or again. */
  isReady: z.boolean(),
});

/** A model that a machine serves. */
export type ServedModelPlace = z.output<typeof servedModel>;

const announcement = z.object({
  /** Another one after each renewal; a machine that renews no longer is gone. */
  renewal: z.string(),
  models: z.array(servedModel),
});

/** The models of a machine as it has announced them. */
export interface ServedModels extends z.output<typeof announcement> {
  readonly machine: string;
}

/** The prefix in the store of what machines tell each other. */
export const MACHINES = '.machines';
const keyOf = (machine: string): string => `${MACHINES}/${machine}/served-models.json`;

const CHECK_SECONDS = 1;
export const RENEW_SECONDS = 10;
/** An entry that was not renewed for this time is from a machine that is gone. */
export const LEASE_SECONDS = 3 * RENEW_SECONDS;

/** The servers of a machine in the form of an announcement, without those that are not restarted any more. */
export function placesOf(entries: readonly ServerEntry[]): ServedModelPlace[] {
  return entries
    .filter(({ failedReason }) => failedReason === undefined)
    .map((entry) => {
      const { label, host, port, healthPath, readyAt } = entry;
      return { label, host, port, healthPath, baseUrl: baseUrlOf(entry), isReady: readyAt !== undefined };
    });
}

/** Announces the models of a machine until the signal aborts. Several processes of a machine may do so. */
export async function announceServedModels(
  objects: ObjectStore,
  machine: string,
  models: () => readonly ServedModelPlace[],
  log: ServerLog,
  signal: AbortSignal,
): Promise<void> {
  let announced: string | undefined;
  let renewedAt = -Infinity;
  let problem: string | undefined;
  while (!signal.aborted) {
    try {
      const current = models();
      const text = JSON.stringify(current);
      const isDue = current.length > 0 && performance.now() - renewedAt > 1000 * RENEW_SECONDS;
      if (text !== announced || isDue) {
        if (current.length === 0) await withdrawServedModels(objects, machine);
        else
          await objects.put(keyOf(machine), JSON.stringify({ renewal: randomUUID(), models: current }), {
            sync: 'none',
          });
        announced = text;
        renewedAt = performance.now();
      }
      problem = undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== problem)
        log('warn', `Other machines don't learn of the model servers of this one: ${message}`);
      problem = message;
    }
    await sleep(1000 * CHECK_SECONDS, undefined, { ref: false, signal }).catch(() => undefined);
  }
}

/** Removes what a machine has announced, when it has stopped its servers. */
export async function withdrawServedModels(objects: ObjectStore, machine: string): Promise<void> {
  await objects.delete(keyOf(machine));
}

/** Reads what all machines have announced; a damaged announcement is left out, because the next renewal replaces it. */
export async function readServedModels(objects: ObjectStore): Promise<ServedModels[]> {
  const machines = await objects.children(MACHINES);
  const found = await Promise.all(
    machines.map(async ({ name: machine }) => {
      const object = await objects.get(keyOf(machine));
      const content = object === undefined ? undefined : parseJson(announcement, object.content);
      return content === undefined ? [] : [{ machine, ...content }];
    }),
  );
  return found.flat();
}

/** The content of an object; undefined if it is damaged. */
export function parseJson<Schema extends z.ZodType>(
  schema: Schema,
  content: Buffer,
): z.output<Schema> | undefined {
  try {
    return schema.parse(JSON.parse(content.toString('utf8')));
  } catch {
    return undefined;
  }
}
