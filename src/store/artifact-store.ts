import { createHash } from 'node:crypto';
import { join, posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fieldDifferences } from '../platform/field-differences.ts';
import type { ArtifactContent, ArtifactReference, Fingerprint, Manifest } from './artifact.ts';
import { openBelow, openObjectStore } from './drivers.ts';
import { type Claim, latestClaim, unreadableClaimsMessage } from './claims.ts';
import { ArtifactDamaged, FingerprintMismatch } from './errors.ts';
import { fileKey, filesOf, manifestKey, readManifest, readManifestState, RECORDS_FILE } from './manifest.ts';
import { ObjectHashes } from './object-hashes.ts';
import type { LocalFolder, ObjectStore } from './objects/object-store.ts';
import { quarantineArtifact, quarantineFolder } from './quarantine.ts';
import { ArtifactWriter } from './write-artifact.ts';

const CONTENTION_PAUSE_MS = 10;

/** An object as a local file. */
export interface LocalFile {
  readonly path: string;
  /** Deletes the file if it is a copy. */
  release(): Promise<void>;
}

type Log = (message: string) => void;

/** @param log receives a line for each artifact that is found damaged */
export function openStore(address: string, log?: Log): ArtifactStore {
  return new ArtifactStore(openObjectStore(address), log);
}

/**
 * Stores all artifacts of all runs. An artifact consists of the objects below a uri: `records.jsonl`, perhaps further
 * files, and `manifest.json`, which is created last and only once. So an artifact exists completely or not at all,
 * and never changes.
 */
export class ArtifactStore {
  readonly objects: ObjectStore;
  readonly #log: Log;
  readonly #hashes: ObjectHashes;

  constructor(objects: ObjectStore, log: Log = () => undefined) {
    this.objects = objects;
    this.#log = log;
    this.#hashes = new ObjectHashes(objects);
  }

  /** The store's address in the notation of users. */
  get address(): string {
    return this.objects.address;
  }

  /** Names an object in messages. */
  locate(uri: string): string {
    return this.objects.locate(uri);
  }

  /** Returns whether there is an object with this name, or one below it. */
  async exists(uri: string): Promise<boolean> {
    return (await this.objects.head(uri)) !== undefined || (await this.objects.children(uri)).length > 0;
  }

  /** The names directly below a uri. */
  async names(uri: string): Promise<string[]> {
    return (await this.objects.children(uri)).map(({ name }) => name);
  }

  /** The text of an object; undefined if there is none. */
  async readText(uri: string): Promise<string | undefined> {
    return (await this.objects.get(uri))?.content.toString('utf8');
  }

  /** Creates or replaces a small object. */
  async writeText(uri: string, text: string): Promise<void> {
    await this.objects.put(uri, text);
  }

  /** The objects below a uri as a store of their own. */
  objectsBelow(uri: string): ObjectStore {
    return openBelow(this.objects, uri);
  }

  /**
   * A folder of this machine with the files below a uri, for programs that read or write files
   * (src/store/objects/object-store.ts). The caller must release it: use `withLocalFolder`, unless the program outlives
   * the call.
   */
  localFolder(uri: string): Promise<LocalFolder> {
    return this.objects.localFolder(uri);
  }

  /** Gives `use` a folder of this machine with the files below a uri, and releases it when `use` ends. */
  async withLocalFolder<T>(uri: string, use: (folder: LocalFolder) => Promise<T>): Promise<T> {
    const folder = await this.localFolder(uri);
    try {
      return await use(folder);
    } finally {
      await folder.release();
    }
  }

  /** Returns the latest claim below a uri (src/store/claims.ts), and logs which claims can't be read. */
  async latestClaim<T>(uri: string): Promise<Claim<T> | undefined> {
    const claim = await latestClaim<T>(this.objects, uri);
    if (claim?.unreadable !== undefined) this.#log(unreadableClaimsMessage(claim.unreadable));
    return claim;
  }

  /**
   * Returns the manifest of an artifact without checking its files; undefined if there is none yet.
   * @throws ArtifactDamaged if the object is not a manifest
   */
  async readManifest(uri: string): Promise<Manifest | undefined> {
    return readManifest(this.objects, uri);
  }

  /**
   * Returns the manifest of a complete artifact with this fingerprint, or undefined if there is none yet. If the
   * artifact's files differ from its manifest, it is quarantined, so that it is made again.
   * @throws FingerprintMismatch if it has another fingerprint
   */
  async findIntact(uri: string, fingerprint: Fingerprint): Promise<Manifest | undefined> {
    return this.#intact(uri, (manifest) => {
      if (fieldDifferences(manifest.fingerprint, fingerprint).length > 0)
        throw new FingerprintMismatch(uri, manifest.fingerprint, fingerprint);
    });
  }

  /** Returns whether an artifact matches its reference. If it doesn't, it is quarantined, so that it can be made again. */
  async isIntact(reference: ArtifactReference): Promise<boolean> {
    const manifest = await this.#intact(reference.uri, ({ sha256 }) => {
      if (sha256 !== reference.sha256)
        throw new ArtifactDamaged(`it has sha256 ${sha256}, but ${reference.sha256} was recorded for it`);
    });
    return manifest !== undefined;
  }

  /**
   * Publishes an artifact once. If another attempt was first, its artifact is kept and returned.
   * @throws FingerprintMismatch if that artifact has another fingerprint
   */
  async publish(uri: string, content: ArtifactContent): Promise<Manifest> {
    const writer = new ArtifactWriter(this.objects, uri);
    try {
      const manifest = await writer.write(content);
      for (;;) {
        if (await this.#putManifest(uri, manifest)) return manifest;
        const existing = await this.findIntact(uri, content.fingerprint);
        if (existing !== undefined) {
          await writer.discard();
          return existing;
        }
        // The existing artifact was damaged. Another attempt may be about to replace it, which takes a moment.
        await sleep(CONTENTION_PAUSE_MS);
      }
    } catch (error) {
      await writer.discard();
      throw error;
    }
  }

  /**
   * Returns the records of an artifact, after checking them against its hash.
   * @throws ArtifactDamaged if they are missing or don't match the reference
   */
  async readRecords<T>(reference: ArtifactReference): Promise<T[]> {
    return parseLines<T>(await this.#verified(reference.uri, RECORDS_FILE, reference.sha256));
  }

  /**
   * Returns the lines of a further file of an artifact, checked in the same way; none if there is no such artifact or
   * file.
   * @throws ArtifactDamaged
   */
  async readLines<T>(uri: string, name: string): Promise<T[]> {
    const manifest = await this.readManifest(uri);
    const sha256 = manifest?.files?.[name];
    if (manifest === undefined || sha256 === undefined) return [];
    return parseLines<T>(await this.#verified(uri, name, sha256));
  }

  /**
   * Checks an artifact's records without reading them into memory, and returns their key.
   * @throws ArtifactDamaged if they are missing or don't match the reference
   */
  async verifyRecords({ uri, sha256 }: ArtifactReference): Promise<string> {
    let key = `${uri}/${RECORDS_FILE}`;
    if ((await this.#hashes.sha256Of(key)) !== sha256) key = await this.#otherKey(uri, RECORDS_FILE);
    const damage = this.#damage(key, await this.#hashes.sha256Of(key), sha256);
    if (damage !== undefined) throw new ArtifactDamaged(damage);
    return key;
  }

  /**
   * Checks a further file of an artifact without reading it into memory, and returns its key.
   * @throws ArtifactDamaged if it is missing or does not match the manifest
   */
  async verifyFile(uri: string, name: string): Promise<string> {
    const manifest = await this.readManifest(uri);
    const sha256 = manifest === undefined ? undefined : filesOf(manifest)[name];
    const key = fileKey(manifest ?? { uri }, name);
    const found = sha256 === undefined ? undefined : await this.#hashes.sha256Of(key);
    const damage = this.#damage(key, found, sha256 ?? '');
    if (damage !== undefined) throw new ArtifactDamaged(damage);
    return key;
  }

  /**
   * Returns the records as a local file, for a program that reads files; checked in the same way.
   * @throws ArtifactDamaged
   */
  async localRecords(reference: ArtifactReference): Promise<LocalFile> {
    const key = await this.verifyRecords(reference);
    const folder = await this.localFolder(reference.uri);
    return { path: join(folder.path, posix.basename(key)), release: () => folder.release() };
  }

  /**
   * Moves what is below a uri that has no manifest away, so that it can be made again. The objects named in `last` are
   * moved after all others, so that a process that ends meanwhile leaves the damage to be found again.
   */
  async quarantineFolder(uri: string, reason: string, last: readonly string[]): Promise<void> {
    if (await quarantineFolder(this.objects, uri, reason, last)) this.#logQuarantine(uri, reason);
  }

  #logQuarantine(uri: string, reason: string): void {
    this.#log(`${uri} is damaged; it was quarantined and will be made again: ${reason}`);
  }

  /** Creates the manifest if there is none, or only the tombstone of a damaged artifact. */
  async #putManifest(uri: string, manifest: Manifest): Promise<boolean> {
    const key = manifestKey(uri);
    const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
    if (await this.objects.putIfAbsent(key, text)) return true;
    const state = await readManifestState(this.objects, uri);
    return state.kind === 'quarantined' && (await this.objects.replaceIfVersion(key, text, state.version));
  }

  /**
   * Returns the manifest of an artifact whose files match it and which `check` accepts; otherwise quarantines the
   * artifact.
   */
  async #intact(uri: string, check: (manifest: Manifest) => void): Promise<Manifest | undefined> {
    const state = await readManifestState(this.objects, uri);
    if (state.kind === 'absent' || state.kind === 'quarantined') return undefined;
    try {
      if (state.kind === 'invalid') throw new ArtifactDamaged(state.reason);
      const { manifest } = state;
      check(manifest);
      const damages = await Promise.all(
        Object.entries(filesOf(manifest)).map(async ([name, sha256]) => {
          const key = fileKey(manifest, name);
          return this.#damage(key, await this.#hashes.sha256Of(key), sha256);
        }),
      );
      const damage = damages.find((each) => each !== undefined);
      if (damage !== undefined) throw new ArtifactDamaged(damage);
      return manifest;
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
      if (await quarantineArtifact(this.objects, uri, error.message, state))
        this.#logQuarantine(uri, error.message);
      return undefined;
    }
  }

  /** @throws ArtifactDamaged if the file is missing or has another hash */
  async #verified(uri: string, name: string, sha256: string): Promise<Buffer> {
    const read = async (key: string) => {
      const content = (await this.objects.get(key))?.content;
      const found = content && createHash('sha256').update(content).digest('hex');
      return { content, damage: this.#damage(key, found, sha256) };
    };
    let { content, damage } = await read(`${uri}/${name}`);
    if (damage !== undefined) ({ content, damage } = await read(await this.#otherKey(uri, name)));
    if (content === undefined || damage !== undefined) throw new ArtifactDamaged(damage ?? '');
    return content;
  }

  /** Returns the key of a file that is not stored under its own name. */
  async #otherKey(uri: string, name: string): Promise<string> {
    const state = await readManifestState(this.objects, uri);
    return fileKey(state.kind === 'manifest' ? state.manifest : { uri }, name);
  }

  #damage(key: string, found: string | undefined, recorded: string): string | undefined {
    if (found === recorded) return undefined;
    return found === undefined
      ? `${this.locate(key)} is missing`
      : `${this.locate(key)} has sha256 ${found}, but ${recorded} was recorded for it`;
  }
}

function parseLines<T>(content: Buffer): T[] {
  return content
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
