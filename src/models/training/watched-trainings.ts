/**
 * Keeps an eye on the trainers of all machines. Whether a trainer that can't be seen is alive shows only over time, and when its
 * machine is lost, nobody follows it until the run has chosen another one. So each machine notes its trainings in the
 * store, and all machines observe the leases of these: when the next follower comes, the time is known already.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { processState } from '../../platform/process-identity.ts';
import { stableHash } from '../../platform/stable-hash.ts';
import { openBelow } from '../../store/drivers.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { readJsonObject } from '../../store/objects/read-json-object.ts';
import { MACHINES, parseJson } from '../serving/served-models.ts';
import { LEASE_FILE, leaseSchema } from './job.ts';
import { StartSilence } from './start-silence.ts';

const noteSchema = z.object({ uri: z.string() });

const prefixOf = (machine: string): string => `${MACHINES}/${machine}/trainings`;
const keyOf = (machine: string, uri: string): string => `${prefixOf(machine)}/${stableHash(uri)}.json`;

/** Notes that a machine has a training. */
export async function noteTraining(objects: ObjectStore, machine: string, uri: string): Promise<void> {
  await objects.put(keyOf(machine, uri), JSON.stringify({ uri }), { sync: 'none' });
}

/** Removes the notes of all machines on a training that has ended. */
export async function forgetTraining(objects: ObjectStore, uri: string): Promise<void> {
  const machines = await objects.children(MACHINES);
  await Promise.all(machines.map(({ name }) => objects.delete(keyOf(name, uri))));
}

/** The time between two looks: at files, and by requests, of which each machine makes some for each other one. */
const CHECK_SECONDS = { files: 2, requests: 10 };
/** A training without a trainer for this time has ended, or its run has; its follower notes it again when it goes on. */
const FORGET_SECONDS = 600;

/** Observes the trainers of all machines until the signal aborts. */
export async function watchTrainings(
  objects: ObjectStore,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const watched = new Map<string, WatchedTraining>();
  let problem: string | undefined;
  const seconds = objects.isRemote ? CHECK_SECONDS.requests : CHECK_SECONDS.files;
  while (!signal.aborted) {
    try {
      const uris = new Set(await notedTrainings(objects));
      for (const uri of watched.keys()) if (!uris.has(uri)) watched.delete(uri);
      for (const uri of uris) {
        const training = watched.get(uri) ?? new WatchedTraining(openBelow(objects, uri));
        watched.set(uri, training);
        if ((await training.secondsWithoutTrainer()) > FORGET_SECONDS) await forgetTraining(objects, uri);
      }
      problem = undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== problem) warn(`Can't observe the trainers of other machines: ${message}`);
      problem = message;
    }
    await sleep(1000 * seconds, undefined, { ref: false, signal }).catch(() => undefined);
  }
}

class WatchedTraining {
  readonly #training: ObjectStore;
  readonly #silence: StartSilence;
  #trainerSeenAt = performance.now();

  constructor(training: ObjectStore) {
    this.#training = training;
    this.#silence = new StartSilence(training);
  }

  /** Observes the lease of the trainer, if there is one and the trainer itself can't be seen from here. */
  async secondsWithoutTrainer(): Promise<number> {
    const lease = await readJsonObject(this.#training, LEASE_FILE, leaseSchema);
    const state = lease === undefined ? 'dead' : await processState(lease);
    if (lease !== undefined && state === 'remote') return this.#silence.seconds(lease.token, lease.renewedAt);
    if (state === 'alive') this.#trainerSeenAt = performance.now();
    return (performance.now() - this.#trainerSeenAt) / 1000;
  }
}

async function notedTrainings(objects: ObjectStore): Promise<string[]> {
  const machines = await objects.children(MACHINES);
  const found = await Promise.all(
    machines.map(async ({ name: machine }) => {
      const notes = await objects.children(prefixOf(machine));
      return Promise.all(notes.map(({ name }) => objects.get(`${prefixOf(machine)}/${name}`)));
    }),
  );
  return found
    .flat()
    .map((object) => (object === undefined ? undefined : parseJson(noteSchema, object.content)?.uri))
    .filter((uri) => uri !== undefined);
}
