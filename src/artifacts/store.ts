import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { canonicalJson } from './canonical-json.ts';
import { ArtifactDamaged, differingFields, FingerprintMismatch } from './errors.ts';
import type { ArtifactReference, Counts, Fingerprint, Manifest } from './reference.ts';

export const RECORDS_FILE = 'records.jsonl';
const MANIFEST_FILE = 'manifest.json';
const LINES_AT_ONCE = 100;

/** What goes into an artifact. */
export interface ArtifactContent {
  readonly fingerprint: Fingerprint;
  readonly records: Iterable<unknown> | AsyncIterable<unknown>;
  readonly counts?: Counts;
  readonly summary?: unknown;
  /** More files of the artifact by name, each as lines of JSON. */
  readonly files?: Readonly<Record<string, Iterable<unknown> | AsyncIterable<unknown>>>;
}

/**
 * A folder that holds every artifact of every run. An artifact is a folder `<uri>/` with `records.jsonl` and
 * `manifest.json`, put in place by one rename: it is there whole, or not at all, and never changes.
 */
export class ArtifactStore {
  readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
  }

  /** The absolute path of a uri; a uri that leads out of the store is an error. */
  path(uri: string): string {
    const path = resolve(this.root, uri);
    if (path !== this.root && !path.startsWith(this.root + sep)) {
      throw new Error(`artifact uri ${JSON.stringify(uri)} leads out of the store ${this.root}`);
    }
    return path;
  }

  /** The manifest of a complete artifact, or undefined where there is none yet. */
  async manifest(uri: string): Promise<Manifest | undefined> {
    const file = join(this.path(uri), MANIFEST_FILE);
    try {
      return JSON.parse(await readFile(file, 'utf8')) as Manifest;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      if (error instanceof SyntaxError) throw new ArtifactDamaged(`${file} is not JSON: ${error.message}`);
      throw error;
    }
  }

  /**
   * The manifest of a complete artifact that means what is wanted, or undefined where there is none yet.
   * @throws FingerprintMismatch where it means something else.
   */
  async completed(uri: string, fingerprint: Fingerprint): Promise<Manifest | undefined> {
    const manifest = await this.manifest(uri);
    if (manifest !== undefined && differingFields(manifest.fingerprint, fingerprint).length > 0) {
      throw new FingerprintMismatch(uri, manifest.fingerprint, fingerprint);
    }
    return manifest;
  }

  /**
   * Puts an artifact in place, once. Where another attempt was first, its artifact stands and is returned.
   * @throws FingerprintMismatch where the one that stands means something else.
   */
  async publish(uri: string, content: ArtifactContent): Promise<Manifest> {
    const target = this.path(uri);
    const draft = `${target}.draft-${randomUUID()}`;
    await mkdir(draft, { recursive: true });
    try {
      const written = await writeLines(join(draft, RECORDS_FILE), content.records);
      for (const [name, lines] of Object.entries(content.files ?? {}))
        await writeLines(join(draft, name), lines);
      const manifest: Manifest = {
        schema: 1,
        uri,
        ...written,
        fingerprint: content.fingerprint,
        counts: content.counts ?? {},
        ...(content.summary === undefined ? {} : { summary: content.summary }),
        madeAt: new Date().toISOString(),
        madeOn: hostname(),
      };
      await writeDurably(join(draft, MANIFEST_FILE), `${JSON.stringify(manifest, undefined, 2)}\n`);
      if (await renameOnce(draft, target)) return manifest;
      const standing = await this.completed(uri, content.fingerprint);
      if (standing === undefined)
        throw new ArtifactDamaged(`${target} exists but has no ${MANIFEST_FILE}: move it away`);
      return standing;
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }

  /**
   * The records of an artifact, checked against its hash before they are used.
   * @throws ArtifactDamaged where the file is missing or is not what the reference says.
   */
  async records<T>(reference: ArtifactReference): Promise<T[]> {
    const file = join(this.path(reference.uri), RECORDS_FILE);
    let bytes: Buffer;
    try {
      bytes = await readFile(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ArtifactDamaged(`${file} is missing`);
      throw error;
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (sha256 !== reference.sha256) {
      throw new ArtifactDamaged(`${file} has sha256 ${sha256}, but ${reference.sha256} was recorded for it`);
    }
    return bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T);
  }
}

/** The part of a manifest that is passed on. */
export function referenceTo(manifest: Manifest): ArtifactReference {
  const { uri, sha256, records, bytes } = manifest;
  return { uri, sha256, records, bytes };
}

/** Writes a small file so that it is whole after a crash: a temporary file, synced and renamed. */
export async function writeFileAtomically(path: string, text: string): Promise<void> {
  const draft = `${path}.draft-${randomUUID()}`;
  await mkdir(dirname(path), { recursive: true });
  await writeDurably(draft, text);
  await rename(draft, path);
  await syncFolder(dirname(path));
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
