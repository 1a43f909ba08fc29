import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { freedMessage } from '../training/freed-model.ts';
import { InputNotFound, resolveInput, type InputFiles } from './input-files.ts';

const STORE_PREFIX = 'store:';
const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

/** How a checkpoint that this store's runs have trained is named: independent of where the store stands. */
export function storedCheckpoint(uri: string): string {
  return STORE_PREFIX + uri;
}

/** The uri of a checkpoint of the store; undefined for any other. */
export function storedUri(checkpoint: string): string | undefined {
  return checkpoint.startsWith(STORE_PREFIX) ? checkpoint.slice(STORE_PREFIX.length) : undefined;
}

/** Where a checkpoint's files are: a folder on this machine, or a repository of the Hugging Face hub. */
export type CheckpointPlace =
  { readonly kind: 'folder'; readonly path: string } | { readonly kind: 'hub'; readonly id: string };

/**
 * Finds a checkpoint: one of the store, a folder, or (where no such folder is) a hub id such as `meta-llama/Llama-3.1-8B-Instruct`.
 * @throws InputNotFound
 */
export function findCheckpoint(store: ArtifactStore, files: InputFiles, checkpoint: string): CheckpointPlace {
  const uri = storedUri(checkpoint);
  if (uri !== undefined) {
    const path = store.path(uri);
    if (!existsSync(path)) throw new InputNotFound(freedMessage(path) ?? `no such checkpoint: ${path}`);
    return { kind: 'folder', path };
  }
  try {
    return { kind: 'folder', path: resolveInput(files, checkpoint) };
  } catch (error) {
    if (!isAbsolute(checkpoint) && HUB_ID.test(checkpoint)) return { kind: 'hub', id: checkpoint };
    throw error;
  }
}

/** What a checkpoint is called towards trainers and servers. */
export function checkpointArgument(place: CheckpointPlace): string {
  return place.kind === 'folder' ? place.path : place.id;
}
