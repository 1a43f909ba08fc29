import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { z } from 'zod';
import { ArtifactDamaged, MADE_AGAIN } from '../../store/errors.ts';
import { InvalidInput } from '../../platform/invalid-input.ts';
import { fileSha256 } from '../../platform/file-hashes.ts';
import {
  makeFolders,
  withStorageErrors,
  readTextIfExists,
  removeTemporary,
} from '../../platform/file-system.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { writeFileAtomically } from '../../platform/atomic-write.ts';
import type { ExportFile, ExportPlan } from './export-plan.ts';

/** The description of an export: its judge, and the hashes of its files once it is complete. */
export const EXPORT_FILE = 'export.json';

const exportSchema = z.object({
  schema: z.literal(1),
  runName: z.string(),
  iteration: z.int().nonnegative(),
  /** Null if the export contains no trained judge. */
  model: z.string().nullable(),
  isComplete: z.boolean(),
  /** SHA-256 by path, as hexadecimal digits. */
  files: z.record(z.string(), z.string()),
});
type Export = z.infer<typeof exportSchema>;

export interface ExportResult {
  /** Absolute. */
  readonly folder: string;
  /** Number of files that were copied, and of intact files that existed already. */
  readonly copied: number;
  readonly unchanged: number;
  /** SHA-256 by path. */
  readonly files: Readonly<Record<string, string>>;
}

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** The end of the name of an incomplete file; an incomplete text has its own ending. */
const PARTIAL = new RegExp(`(\\.partial-${UUID})?(\\.tmp-${UUID})?$`);

/**
 * Writes an export into a folder. Each file is written under a temporary name, checked against its hash, and renamed. An
 * interrupted export can be repeated; complete files are kept.
 * @throws InvalidInput if the folder contains something else, or is in the store; ArtifactDamaged if a file of the store
 *   differs from its recorded hash
 */
export async function writeExport(
  store: ArtifactStore,
  plan: ExportPlan,
  out: string,
  signal: AbortSignal,
): Promise<ExportResult> {
  const folder = await claimFolder(store, plan, resolve(out));
  const about = {
    schema: 1,
    runName: plan.runName,
    iteration: plan.iteration,
    model: plan.modelSha256 ?? null,
  } as const;
  const note = (isComplete: boolean, files: Export['files']) =>
    writeFileAtomically(
      join(folder, EXPORT_FILE),
      `${JSON.stringify({ ...about, isComplete, files } satisfies Export, undefined, 2)}\n`,
    );
  await note(false, {});
  const files: Record<string, string> = {};
  let copied = 0;
  for (const file of plan.files) {
    signal.throwIfAborted();
    const target = await placeIn(folder, file.path);
    const sha256 = 'text' in file ? sha256Of(file.text) : file.sha256;
    files[file.path] = sha256;
    if (existsSync(target) && (await fileSha256(target)) === sha256) continue;
    await put(store, file, target, sha256, signal);
    copied += 1;
  }
  await removePartial(folder, plan);
  await note(true, files);
  return { folder, copied, unchanged: plan.files.length - copied, files };
}

/** The real path of the folder, which must be new, empty, or of the same export. */
async function claimFolder(store: ArtifactStore, plan: ExportPlan, out: string): Promise<string> {
  if (isWithin(store.address, out))
    throw new InvalidInput(`${out} is in the store ${store.address}; choose a folder outside of it`);
  if (!existsSync(out)) {
    await withStorageErrors(out, () => makeFolders(out));
  }
  const folder = await realpath(out);
  // A store that is no folder has no path.
  if (existsSync(store.address) && isWithin(await realpath(store.address), folder))
    throw new InvalidInput(`${out} leads into the store ${store.address}; choose a folder outside of it`);
  if (!(await lstat(folder)).isDirectory()) throw new InvalidInput(`${out} is not a folder`);
  const names = await readdir(folder);
  // An earlier start was interrupted before its first file.
  if (names.every((name) => name.startsWith(`${EXPORT_FILE}.tmp-`))) return folder;
  const found = await readExport(folder);
  if (found === undefined)
    throw new InvalidInput(
      `${out} is not empty and contains no export; nothing in it was changed. Choose another folder`,
    );
  if (
    found.runName === plan.runName &&
    found.iteration === plan.iteration &&
    found.model === (plan.modelSha256 ?? null)
  )
    return folder;
  throw new InvalidInput(
    `${out} contains the export of another judge, iteration ${found.iteration} of ${found.runName}; nothing in it was changed. ` +
      'Choose another folder',
  );
}

async function readExport(folder: string): Promise<Export | undefined> {
  try {
    return exportSchema.parse(JSON.parse((await readTextIfExists(join(folder, EXPORT_FILE))) ?? ''));
  } catch {
    return undefined;
  }
}

function isWithin(parent: string, path: string): boolean {
  return path === parent || path.startsWith(parent + sep);
}

/** The absolute path of a file of the export. Creates its folder. No link in the export may lead out of it. */
async function placeIn(folder: string, path: string): Promise<string> {
  const target = join(folder, path);
  if (!target.startsWith(folder + sep)) throw new InvalidInput(`${path} leads out of the export`);
  const parts = path.split('/');
  for (let length = 1; length <= parts.length; length += 1) {
    const part = join(folder, ...parts.slice(0, length));
    const isFile = length === parts.length;
    if (!isFile && !existsSync(part)) await withStorageErrors(part, () => mkdir(part));
    const found = await lstat(part).catch(() => undefined);
    if (found === undefined) continue;
    if (isFile ? !found.isFile() : !found.isDirectory())
      throw new InvalidInput(`${part} is not a ${isFile ? 'file' : 'folder'} of an export; move it away`);
  }
  return target;
}

async function put(
  store: ArtifactStore,
  file: ExportFile,
  target: string,
  sha256: string,
  signal: AbortSignal,
): Promise<void> {
  const partial = `${target}.partial-${randomUUID()}`;
  try {
    await withStorageErrors(target, async () => {
      const found =
        'text' in file
          ? await writeText(partial, file.text)
          : await copyHashed(store, file.key, partial, signal);
      if (found !== sha256 && 'key' in file)
        throw new ArtifactDamaged(
          `${store.locate(file.key)} has sha256 ${found}, expected ${sha256}: it is damaged and was not exported. ${MADE_AGAIN}`,
        );
      await rename(partial, target);
    });
  } finally {
    await removeTemporary(partial);
  }
}

async function writeText(path: string, text: string): Promise<string> {
  await writeFileAtomically(path, text);
  return sha256Of(text);
}

/** Copies an object of the store, syncs the copy, and returns the hash of what was read. */
async function copyHashed(
  store: ArtifactStore,
  key: string,
  to: string,
  signal: AbortSignal,
): Promise<string> {
  const content = await store.objects.stream(key);
  if (content === undefined) throw new ArtifactDamaged(`${store.locate(key)} is missing`);
  const hash = createHash('sha256');
  const copy = await open(to, 'wx');
  try {
    for await (const chunk of content) {
      signal.throwIfAborted();
      hash.update(chunk);
      await copy.writeFile(chunk);
    }
    await copy.sync();
  } finally {
    await copy.close();
  }
  return hash.digest('hex');
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Deletes partial files left by an interrupted export. */
async function removePartial(folder: string, plan: ExportPlan): Promise<void> {
  const exported = new Set(
    [EXPORT_FILE, ...plan.files.map(({ path }) => path)].map((path) => join(folder, path)),
  );
  for (const parent of new Set([...exported].map((path) => dirname(path))))
    for (const name of await readdir(parent)) {
      const complete = name.replace(PARTIAL, '');
      if (complete !== name && exported.has(join(parent, complete)))
        await rm(join(parent, name), { force: true });
    }
}
