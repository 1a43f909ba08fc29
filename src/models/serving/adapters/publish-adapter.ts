/** Puts a copy of an adapter into the folder from which a server loads adapters. */
import { randomUUID } from 'node:crypto';
import { copyFile, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder, writeDurably } from '../../../platform/atomic-write.ts';
import { fileSha256 } from '../../../platform/file-hashes.ts';
import { withLock } from '../../../platform/file-lock.ts';
import {
  makeFolders,
  removeTemporary,
  statIfExists,
  withStorageErrors,
} from '../../../platform/file-system.ts';
import type { Canary } from './canary.ts';
import { AdapterRefused } from './errors.ts';
import type { ServerAccess } from './send-json.ts';

/** A LoRA adapter as it was trained. */
export interface TrainedAdapter {
  /** A folder with the files of PEFT. */
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly sha256: string; readonly bytes: number }[];
  /** Digest of `files`. */
  readonly sha256: string;
  readonly canary?: Canary | undefined;
}

/** An adapter in the folder of its server. */
export interface PublishedAdapter extends ServerAccess {
  /** Has the name of the adapter at its server, by which clients ask for it. */
  readonly name: string;
  readonly folder: string;
  /** The path or hub id with which the server was started. */
  readonly base: string;
  /** The log of the server. */
  readonly logFile: string;
}

/** How a server that runs is given adapters. */
export interface AdapterLoader<Settings> {
  /** How far the server's log-probabilities of a canary may be from the trainer's (canary.ts). */
  canaryTolerance(settings: Settings): number;
  /**
   * Makes the server serve an adapter. One that it serves already is no error, because a name has one content only.
   * @throws AdapterRefused, Unanswered
   */
  load(settings: Settings, adapter: PublishedAdapter): Promise<void>;
}

const CONFIGURATION = 'adapter_config.json';

/**
 * The name of an adapter at its server. It says what the adapter contains, so that no name is ever used for other weights: servers
 * keep adapters and cached prefixes by name.
 */
export function adapterName(servedModelName: string, { sha256 }: Pick<TrainedAdapter, 'sha256'>): string {
  return `${asFolderName(servedModelName)}-${sha256.slice(0, 12)}`;
}

/** The name under which a server has its base: the end of its path or hub id, and its content if that is known. */
export function baseName(checkpoint: string, sha256: string | undefined): string {
  const name = asFolderName(checkpoint.split('/').findLast((part) => part !== '') ?? checkpoint);
  return sha256 === undefined ? name : `${name}-${sha256.slice(0, 12)}`;
}

/** vLLM looks for a folder with the name of the adapter. */
function asFolderName(text: string): string {
  return text.replaceAll(/[^\w.-]+/g, '-').replace(/^[.-]+/, '');
}

/**
 * Copies an adapter to a folder, which is complete or not there: it is made under another name and renamed. vLLM only takes an
 * adapter whose configuration names the base in the same way as its own command.
 * @throws AdapterRefused if its files are not those that were trained
 */
export async function publishAdapter(
  { folder: source, files }: TrainedAdapter,
  target: string,
  base: string,
): Promise<void> {
  const publish = async () => {
    if (await isPublished(target, files)) return;
    const draft = `${target}.tmp-${randomUUID()}`;
    try {
      await makeFolders(draft);
      for (const { name, sha256 } of files) {
        const copy = join(draft, name);
        await makeFolders(dirname(copy));
        await copyFile(join(source, name), copy);
        if ((await fileSha256(copy)) !== sha256)
          throw new AdapterRefused(
            `${join(source, name)} does not have the content that was trained (sha256 ${sha256}).`,
          );
        if (name === CONFIGURATION) await nameBase(copy, base);
        else await syncFile(copy);
      }
      await rm(target, { recursive: true, force: true });
      await rename(draft, target);
      await syncFolder(dirname(target));
    } finally {
      await removeTemporary(draft);
    }
  };
  // Two stages may serve a judge at once: the second must not replace what the server reads for the first.
  await withStorageErrors(target, async () => {
    await makeFolders(dirname(target));
    await withLock(`${target}.lock`, publish);
  });
}

/** A power cut may leave a folder whose files are cut short. */
async function isPublished(target: string, files: TrainedAdapter['files']): Promise<boolean> {
  for (const { name, bytes } of files) {
    const size = (await statIfExists(join(target, name)))?.size;
    if (size === undefined || (name !== CONFIGURATION && size !== bytes)) return false;
  }
  return true;
}

async function nameBase(file: string, base: string): Promise<void> {
  const configuration = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await rm(file);
  await writeDurably(
    file,
    `${JSON.stringify({ ...configuration, base_model_name_or_path: base }, undefined, 2)}\n`,
  );
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
