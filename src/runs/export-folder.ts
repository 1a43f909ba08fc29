import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { z } from 'zod';
import { ArtifactDamaged, InputProblem } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import { makeFolder, onDisk, readTextIfThere, removeDraft } from '../artifacts/on-disk.ts';
import { writeFileAtomically, type ArtifactStore } from '../artifacts/store.ts';
import type { ExportFile, ExportPlan } from './export-plan.ts';

/** In an export: whose it is, and the hash of each of its files once all of them are there. */
export const EXPORT_FILE = 'export.json';

const exportSchema = z.object({
  schema: z.literal(1),
  runName: z.string(),
  iteration: z.int().nonnegative(),
  /** Null where there is no trained judge in it. */
  model: z.string().nullable(),
  isWhole: z.boolean(),
  /** SHA-256 by path, as hexadecimal digits. */
  files: z.record(z.string(), z.string()),
});
type Export = z.infer<typeof exportSchema>;

export interface Exported {
  /** Absolute. */
  readonly folder: string;
  /** How many files were copied now, and how many were there already, whole. */
  readonly copied: number;
  readonly kept: number;
  /** SHA-256 by path. */
  readonly files: Readonly<Record<string, string>>;
}

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** Behind the name of a file that is not whole; a text has a draft of its own. */
const PARTIAL = new RegExp(`(\\.partial-${UUID})?(\\.draft-${UUID})?$`);

/**
 * Writes an export into a folder: each file under another name first, checked against its hash, then renamed. Cut off, it
 * goes on where it was: what is whole stays.
 * @throws InputProblem where the folder holds something else, or lies in the store; ArtifactDamaged where a file of the
 *   store is not what was recorded for it
 */
export async function writeExport(
  store: ArtifactStore,
  plan: ExportPlan,
  out: string,
  signal: AbortSignal,
): Promise<Exported> {
  const folder = await claimFolder(store, plan, resolve(out));
  const about = {
    schema: 1,
    runName: plan.runName,
    iteration: plan.iteration,
    model: plan.modelSha256 ?? null,
  } as const;
  const note = (isWhole: boolean, files: Export['files']) =>
    writeFileAtomically(
      join(folder, EXPORT_FILE),
      `${JSON.stringify({ ...about, isWhole, files } satisfies Export, undefined, 2)}\n`,
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
    await put(file, target, sha256, signal);
    copied += 1;
  }
  await removePartial(folder, plan);
  await note(true, files);
  return { folder, copied, kept: plan.files.length - copied, files };
}

/** The folder's real path: a new one, an empty one, or one that this export has begun. */
async function claimFolder(store: ArtifactStore, plan: ExportPlan, out: string): Promise<string> {
  if (isWithin(store.root, out))
    throw new InputProblem(`${out} lies in the store ${store.root}: choose a folder outside of it`);
  if (!existsSync(out)) {
    await onDisk(out, () => makeFolder(out));
  }
  const folder = await realpath(out);
  if (isWithin(await realpath(store.root), folder))
    throw new InputProblem(`${out} leads into the store ${store.root}: choose a folder outside of it`);
  if (!(await lstat(folder)).isDirectory()) throw new InputProblem(`${out} is no folder`);
  const names = await readdir(folder);
  // Of a start that was cut off before its first file.
  if (names.every((name) => name.startsWith(`${EXPORT_FILE}.draft-`))) return folder;
  const found = await readExport(folder);
  if (found === undefined)
    throw new InputProblem(
      `${out} is not empty, and holds no export: nothing in it was touched. Choose another folder`,
    );
  if (
    found.runName === plan.runName &&
    found.iteration === plan.iteration &&
    found.model === (plan.modelSha256 ?? null)
  )
    return folder;
  throw new InputProblem(
    `${out} holds the export of another judge, ${found.runName}'s of iteration ${found.iteration}: nothing in it was touched. ` +
      'Choose another folder',
  );
}

async function readExport(folder: string): Promise<Export | undefined> {
  try {
    return exportSchema.parse(JSON.parse((await readTextIfThere(join(folder, EXPORT_FILE))) ?? ''));
  } catch {
    return undefined;
  }
}

function isWithin(parent: string, path: string): boolean {
  return path === parent || path.startsWith(parent + sep);
}

/** The absolute path of a file of the export, its folder made. No link in the export may lead elsewhere. */
async function placeIn(folder: string, path: string): Promise<string> {
  const target = join(folder, path);
  if (!target.startsWith(folder + sep)) throw new InputProblem(`${path} leads out of the export`);
  const parts = path.split('/');
  for (let length = 1; length <= parts.length; length += 1) {
    const part = join(folder, ...parts.slice(0, length));
    const isFile = length === parts.length;
    if (!isFile && !existsSync(part)) await onDisk(part, () => mkdir(part));
    const found = await lstat(part).catch(() => undefined);
    if (found === undefined) continue;
    if (isFile ? !found.isFile() : !found.isDirectory())
      throw new InputProblem(`${part} is no ${isFile ? 'file' : 'folder'} of an export: move it away`);
  }
  return target;
}

async function put(file: ExportFile, target: string, sha256: string, signal: AbortSignal): Promise<void> {
  const partial = `${target}.partial-${randomUUID()}`;
  try {
    await onDisk(target, async () => {
      const found =
        'text' in file ? await writeText(partial, file.text) : await copyHashed(file.file, partial, signal);
      if (found !== sha256 && 'file' in file)
        throw new ArtifactDamaged(
          `${file.file} has sha256 ${found}, but ${sha256} was recorded for it: it is damaged, and was not exported. ` +
            'Start the run again under its name: what is damaged is made again',
        );
      await rename(partial, target);
    });
  } finally {
    await removeDraft(partial);
  }
}

async function writeText(path: string, text: string): Promise<string> {
  await writeFileAtomically(path, text);
  return sha256Of(text);
}

/** Copies a file, syncs the copy, and returns the hash of what was read. */
async function copyHashed(from: string, to: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const copy = await open(to, 'wx');
  try {
    for await (const chunk of createReadStream(from, { highWaterMark: 1 << 20, signal })) {
      hash.update(chunk as Buffer);
      await copy.writeFile(chunk as Buffer);
    }
    await copy.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ArtifactDamaged(`${from} is missing`);
    throw error;
  } finally {
    await copy.close();
  }
  return hash.digest('hex');
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What an export that was cut off has left of the files of this one. */
async function removePartial(folder: string, plan: ExportPlan): Promise<void> {
  const mine = new Set(
    [EXPORT_FILE, ...plan.files.map(({ path }) => path)].map((path) => join(folder, path)),
  );
  for (const parent of new Set([...mine].map((path) => dirname(path))))
    for (const name of await readdir(parent)) {
      const whole = name.replace(PARTIAL, '');
      if (whole !== name && mine.has(join(parent, whole))) await rm(join(parent, name), { force: true });
    }
}
