import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { canonicalJson } from './canonical-json.ts';
import { setAsideDamaged } from './damage.ts';
import { ArtifactDamaged, differingFields, FingerprintMismatch } from './errors.ts';
import { FileHashes, fileSha256 } from './file-hashes.ts';
import { MANIFEST_FILE, readManifest } from './manifest.ts';
import { makeFolder, onDisk, removeDraft } from './on-disk.ts';
import type { ArtifactReference, Counts, Fingerprint, Manifest } from './reference.ts';

export const RECORDS_FILE = 'records.jsonl';
const LINES_AT_ONCE = 100;

/** What goes into an artifact. */
export interface ArtifactContent {
  readonly fingerprint: Fingerprint;
  readonly records: Iterable<unknown> | AsyncIterable<unknown>;
  readonly counts?: Counts;
  readonly summary?: unknown;
  /** More files of the artifact by name: each as lines of JSON, or by what writes it to the path that it is given. */
  readonly files?: Readonly<
    Record<string, Iterable<unknown> | AsyncIterable<unknown> | ((path: string) => Promise<void>)>
  >;
}

/**
 * A folder that holds every artifact of every run. An artifact is a folder `<uri>/` with `records.jsonl` and
 * `manifest.json`, put in place by one rename: it is there whole, or not at all, and never changes.
 */
export class ArtifactStore {
  readonly root: string;
  readonly #log: (message: string) => void;
  readonly #hashes = new FileHashes();

  /** @param log takes a line for each artifact that is found damaged */
  constructor(root: string, log: (message: string) => void = () => undefined) {
    this.root = resolve(root);
    this.#log = log;
  }

  /** The absolute path of a uri; a uri that leads out of the store is an error. */
  path(uri: string): string {
    const path = resolve(this.root, uri);
    if (path !== this.root && !path.startsWith(this.root + sep)) {
      throw new Error(`artifact uri ${JSON.stringify(uri)} leads out of the store ${this.root}`);
    }
    return path;
  }

  /**
   * The manifest of an artifact as it stands, its files not looked at; undefined where there is none yet.
   * @throws ArtifactDamaged where it is no manifest.
   */
  async manifest(uri: string): Promise<Manifest | undefined> {
    return readManifest(this.path(uri));
  }

  /**
   * The manifest of a complete artifact that means what is wanted, or undefined where there is none yet. One whose files
   * are not what its manifest says is set aside, so that it is made again.
   * @throws FingerprintMismatch where it means something else.
   */
  async completed(uri: string, fingerprint: Fingerprint): Promise<Manifest | undefined> {
    return this.#whole(uri, (manifest) => {
      if (differingFields(manifest.fingerprint, fingerprint).length > 0)
        throw new FingerprintMismatch(uri, manifest.fingerprint, fingerprint);
    });
  }

  /** Whether an artifact is what the reference says. One that isn't is set aside, so that it can be made again. */
  async isWhole(reference: ArtifactReference): Promise<boolean> {
    const manifest = await this.#whole(reference.uri, ({ sha256 }) => {
      if (sha256 !== reference.sha256)
        throw new ArtifactDamaged(`it has sha256 ${sha256}, but ${reference.sha256} was recorded for it`);
    });
    return manifest !== undefined;
  }

  /**
   * Puts an artifact in place, once. Where another attempt was first, its artifact stands and is returned.
   * @throws FingerprintMismatch where the one that stands means something else.
   */
  async publish(uri: string, content: ArtifactContent): Promise<Manifest> {
    const target = this.path(uri);
    const draft = `${target}.draft-${randomUUID()}`;
    try {
      const manifest = await onDisk(draft, () => writeArtifact(draft, uri, content));
      for (;;) {
        if (await onDisk(target, () => renameOnce(draft, target))) return manifest;
        const standing = await this.completed(uri, content.fingerprint);
        if (standing !== undefined) return standing;
      }
    } finally {
      await removeDraft(draft);
    }
  }

  /**
   * The records of an artifact, checked against its hash before they are used.
   * @throws ArtifactDamaged where the file is missing or is not what the reference says.
   */
  async records<T>(reference: ArtifactReference): Promise<T[]> {
    return readLines<T>(join(this.path(reference.uri), RECORDS_FILE), reference.sha256);
  }

  /**
   * The lines of a further file of an artifact, checked likewise; none where there is no such artifact or file.
   * @throws ArtifactDamaged
   */
  async lines<T>(uri: string, name: string): Promise<T[]> {
    const sha256 = (await this.manifest(uri))?.files?.[name];
    return sha256 === undefined ? [] : readLines<T>(join(this.path(uri), name), sha256);
  }

  /**
   * The path of an artifact's records, for a program that reads the file itself.
   * @throws ArtifactDamaged where the file is missing or is not what the reference says.
   */
  async recordsFile(reference: ArtifactReference): Promise<string> {
    const file = join(this.path(reference.uri), RECORDS_FILE);
    const damage = damageOf(file, await this.#hashes.of(file), reference.sha256);
    if (damage !== undefined) throw new ArtifactDamaged(damage);
    return file;
  }

  /** Renames the folder at `uri` out of the way of what is made in its place. */
  async setAside(uri: string, reason: string): Promise<void> {
    if (await setAsideDamaged(this.path(uri), reason))
      this.#log(`${uri} is damaged and set aside, to be made again: ${reason}`);
  }

  /** The manifest of an artifact whose files are what it says, and that `check` lets pass; else it is set aside. */
  async #whole(uri: string, check: (manifest: Manifest) => void): Promise<Manifest | undefined> {
    const folder = this.path(uri);
    try {
      const manifest = await this.manifest(uri);
      if (manifest === undefined) {
        if (!existsSync(folder)) return undefined;
        throw new ArtifactDamaged(`${join(folder, MANIFEST_FILE)} is missing`);
      }
      check(manifest);
      for (const [name, sha256] of Object.entries({ ...manifest.files, [RECORDS_FILE]: manifest.sha256 })) {
        const file = join(folder, name);
        const damage = damageOf(file, await this.#hashes.of(file), sha256);
        if (damage !== undefined) throw new ArtifactDamaged(damage);
      }
      return manifest;
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
      await this.setAside(uri, error.message);
      return undefined;
    }
  }
}

function damageOf(file: string, found: string | undefined, recorded: string): string | undefined {
  if (found === recorded) return undefined;
  return found === undefined
    ? `${file} is missing`
    : `${file} has sha256 ${found}, but ${recorded} was recorded for it`;
}

/** The part of a manifest that is passed on. */
export function referenceTo(manifest: Manifest): ArtifactReference {
  const { uri, sha256, records, bytes } = manifest;
  return { uri, sha256, records, bytes };
}

/** Writes a small file so that it is whole after a crash: a temporary file, synced and renamed. */
export async function writeFileAtomically(path: string, text: string): Promise<void> {
  const draft = `${path}.draft-${randomUUID()}`;
  await onDisk(path, async () => {
    try {
      await makeFolder(dirname(path));
      await writeDurably(draft, text);
      await rename(draft, path);
      await syncFolder(dirname(path));
    } finally {
      await removeDraft(draft);
    }
  });
}

async function writeArtifact(folder: string, uri: string, content: ArtifactContent): Promise<Manifest> {
  await makeFolder(folder);
  const written = await writeLines(join(folder, RECORDS_FILE), content.records);
  const files: Record<string, string> = {};
  for (const [name, lines] of Object.entries(content.files ?? {})) {
    const file = join(folder, name);
    files[name] =
      typeof lines === 'function' ? await writtenBy(lines, file) : (await writeLines(file, lines)).sha256;
  }
  const manifest: Manifest = {
    schema: 1,
    uri,
    ...written,
    fingerprint: content.fingerprint,
    counts: content.counts ?? {},
    ...(content.summary === undefined ? {} : { summary: content.summary }),
    ...(content.files === undefined ? {} : { files }),
    madeAt: new Date().toISOString(),
    madeOn: hostname(),
  };
  await writeDurably(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return manifest;
}

/** The SHA-256 of a file that something else has written, once it lasts. */
async function writtenBy(write: (path: string) => Promise<void>, path: string): Promise<string> {
  await write(path);
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return fileSha256(path);
}

/** @throws ArtifactDamaged where the file is missing or its hash is another one. */
async function readLines<T>(file: string, recorded: string): Promise<T[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ArtifactDamaged(`${file} is missing`);
    throw error;
  }
  const damage = damageOf(file, createHash('sha256').update(bytes).digest('hex'), recorded);
  if (damage !== undefined) throw new ArtifactDamaged(damage);
  return bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** Makes a rename last through a power cut: a workflow's history may refer to what was renamed from now on. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeLines(
  path: string,
  lines: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<{ sha256: string; records: number; bytes: number }> {
  const hash = createHash('sha256');
  let records = 0;
  let bytes = 0;
  let waiting: string[] = [];
  const file = await open(path, 'wx');
  const write = async (): Promise<void> => {
    const block = Buffer.from(waiting.join(''));
    waiting = [];
    hash.update(block);
    bytes += block.length;
    await file.writeFile(block);
  };
  try {
    for await (const record of lines) {
      records += 1;
      if (waiting.push(`${canonicalJson(record)}\n`) >= LINES_AT_ONCE) await write();
    }
    await write();
    await file.sync();
  } finally {
    await file.close();
  }
  return { sha256: hash.digest('hex'), records, bytes };
}

/** Renames a folder into place; false when one stands there already. */
async function renameOnce(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    await syncFolder(dirname(to));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}
