import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { ObjectStore } from '../store/objects/object-store.ts';
import { cachedCopy, removeCachedCopies } from '../store/objects/cached-copy.ts';
import { prunedModelMessage } from '../models/training/pruned-model.ts';
import { InputNotFound, resolveInputPath, type InputFiles } from '../platform/input-files.ts';
import { InputRefused } from '../platform/input-guard.ts';
import { homeFolder } from '../platform/user.ts';

const STORE_PREFIX = 'store:';
const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

/** The name of a checkpoint that a run of this store has trained, which doesn't depend on the store's location. */
export function toStoreCheckpoint(uri: string): string {
  return STORE_PREFIX + uri;
}

/** The uri of a checkpoint of the store; undefined for any other. */
export function storeUriOf(checkpoint: string): string | undefined {
  return checkpoint.startsWith(STORE_PREFIX) ? checkpoint.slice(STORE_PREFIX.length) : undefined;
}

/** The location of a checkpoint's files: a folder on this machine, or a repository of the Hugging Face hub. */
export type CheckpointLocation =
  { readonly kind: 'folder'; readonly path: string } | { readonly kind: 'hub'; readonly id: string };

/**
 * Finds a checkpoint for a program that reads files, such as a server: one of the store, a folder, or otherwise a hub id
 * such as `meta-llama/Llama-3.1-8B-Instruct`. Of a checkpoint in a bucket this machine keeps a copy.
 * @throws InputNotFound
 */
export async function findCheckpoint(
  store: ArtifactStore,
  files: InputFiles,
  checkpoint: string,
): Promise<CheckpointLocation> {
  const uri = storeUriOf(checkpoint);
  if (uri === undefined) return findOutsideCheckpoint(files, checkpoint);
  await requireStoredCheckpoint(store, uri);
  return { kind: 'folder', path: await storedCheckpointFolder(store, uri) };
}

/** A folder with the files of a checkpoint of the store: the store's own, or the copy of this machine. */
export async function storedCheckpointFolder({ objects }: ArtifactStore, uri: string): Promise<string> {
  return objects.isRemote ? cachedCopy(objects, uri, copiesFolder(objects)) : objects.locate(uri);
}

/** Removes this machine's copies of a checkpoint that is deleted. */
export async function removeCheckpointCopies({ objects }: ArtifactStore, uri: string): Promise<void> {
  if (objects.isRemote) await removeCachedCopies(objects, uri, copiesFolder(objects));
}

function copiesFolder({ localRoot }: ObjectStore): string {
  return join(localRoot, 'checkpoints');
}

/**
 * Checks that there is such a checkpoint, without making its files local.
 * @throws InputNotFound
 */
export async function requireCheckpoint(
  store: ArtifactStore,
  files: InputFiles,
  checkpoint: string,
): Promise<void> {
  const uri = storeUriOf(checkpoint);
  if (uri === undefined) findOutsideCheckpoint(files, checkpoint);
  else await requireStoredCheckpoint(store, uri);
}

async function requireStoredCheckpoint(store: ArtifactStore, uri: string): Promise<void> {
  if (!(await store.exists(uri)))
    throw new InputNotFound(
      (await prunedModelMessage(store, uri)) ?? `no such checkpoint: ${store.locate(uri)}`,
    );
}

/**
 * Finds a checkpoint that is not in the store.
 * @throws InputNotFound, InputRefused
 */
export function findOutsideCheckpoint(files: InputFiles, checkpoint: string): CheckpointLocation {
  try {
    return { kind: 'folder', path: resolveInputPath(files, checkpoint) };
  } catch (error) {
    if (error instanceof InputRefused || isAbsolute(checkpoint) || !HUB_ID.test(checkpoint)) throw error;
    files.guard?.requireHubRepository('models', checkpoint);
    return { kind: 'hub', id: checkpoint };
  }
}

/** The name of a checkpoint for trainers and servers. */
export function checkpointPathOrId(place: CheckpointLocation): string {
  return place.kind === 'folder' ? place.path : place.id;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds the folder of a checkpoint on this machine: the configured one, or one in the cache of the Hugging Face hub.
 * Undefined if it isn't on this machine; nothing is downloaded.
 */
export async function checkpointFolder(
  store: ArtifactStore,
  files: InputFiles,
  environment: Environment,
  checkpoint: string,
): Promise<string | undefined> {
  try {
    const place = await findCheckpoint(store, files, checkpoint);
    return place.kind === 'folder' ? place.path : hubFolder(place.id, environment);
  } catch {
    // The check of the checkpoint reports a missing checkpoint.
    return undefined;
  }
}

function hubFolder(id: string, environment: Environment): string | undefined {
  const home = environment['HF_HOME'] || join(homeFolder(environment), '.cache', 'huggingface');
  const cache = environment['HF_HUB_CACHE'] || join(home, 'hub');
  const repository = join(cache, `models--${id.replace('/', '--')}`);
  try {
    const commit = readFileSync(join(repository, 'refs', 'main'), 'utf8').trim();
    const folder = join(repository, 'snapshots', commit);
    return existsSync(folder) ? folder : undefined;
  } catch {
    return undefined;
  }
}
