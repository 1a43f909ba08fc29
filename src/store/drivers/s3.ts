/**
 * Objects in a bucket of an S3 server: `s3://BUCKET` or `s3://BUCKET/PREFIX`. Claims, leases and hand-overs rest on
 * conditional writes, which a server must have (`check-store.ts` tries them). Credentials, region, profile and endpoint
 * come from the environment and the files of the AWS SDK, never from a configuration.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import type * as Sdk from '@aws-sdk/client-s3';
import type * as Uploads from '@aws-sdk/lib-storage';
import type {
  ListMultipartUploadsCommandOutput,
  ListObjectsV2CommandOutput,
  S3Client,
} from '@aws-sdk/client-s3';
import { StorageUnavailable } from '../../platform/file-system.ts';
import { normalizeKey } from '../objects/keys.ts';
import { copyToLocalFolder, localRootOf } from '../objects/local-copy.ts';
import { ObjectPerFlushLog } from '../objects/object-per-flush-log.ts';
import type {
  AppendLog,
  Child,
  LocalFolder,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  StoreDriver,
  StoredObject,
  StoreWords,
} from '../objects/object-store.ts';
import { isInMemory, takeIntoMemory } from '../objects/object-body.ts';
import { parseAddress } from './s3-address.ts';
import { copyObject, LARGEST_COPY_BYTES } from './s3-copy.ts';
import { wholeContent } from './s3-content.ts';
import { explainS3Error, statusOf } from './s3-errors.ts';

/** S3 allows 10,000 parts: 320 GB an object. Two of them are in memory at a time. */
const PART_BYTES = 32 * 2 ** 20;
const PARTS_AT_A_TIME = 2;
/** Attempts of each request. A server that asks to slow down is obeyed with growing pauses. */
const ATTEMPTS = 8;
/** Attempts to read the end of an object, whose connection may break. */
const TAIL_ATTEMPTS = 5;
/** The metadata by which a conditional put recognizes its own object, if the answer to its first attempt was lost. */
const PUT_ID = 'put-id';
/** The names of errors for an object or an upload that does not exist; without a body a missing bucket is one, too. */
const MISSING: readonly string[] = ['NoSuchKey', 'NoSuchUpload', 'NotFound'];
const UPLOAD_MARK = '?uploadId=';

export const s3Driver: StoreDriver = {
  accepts: (address) => address.startsWith('s3://'),
  resolve(address) {
    parseAddress(address);
    return address.replace(/\/+$/, '');
  },
  open: (address) => openBucket(address),
};

/** @param largestCopyBytes replaced in tests, for which 5 GB is too much */
export function openBucket(address: string, largestCopyBytes = LARGEST_COPY_BYTES): ObjectStore {
  const { bucket, prefix } = parseAddress(address);
  return new S3Store(address, bucket, prefix, largestCopyBytes);
}

const WORDS: StoreWords = {
  object: 'object',
  advice:
    'Use a server with conditional writes (If-None-Match and If-Match) that all requests see at once, as Amazon S3 has them, or a folder (docs/stores.md)',
};

const load = createRequire(import.meta.url);

/** A condition of a put, as S3 words it. */
type Condition = { readonly IfNoneMatch: '*' } | { readonly IfMatch: string };

class S3Store implements ObjectStore {
  readonly address: string;
  readonly words = WORDS;
  readonly isRemote = true;
  readonly localRoot: string;
  readonly #largestCopyBytes: number;
  readonly #bucket: string;
  readonly #prefix: string;
  // Loaded here, because most processes use no bucket, and should not spend a tenth of a second on it.
  readonly #sdk = load('@aws-sdk/client-s3') as typeof Sdk;
  readonly #uploads = load('@aws-sdk/lib-storage') as typeof Uploads;
  readonly #client: S3Client;

  constructor(address: string, bucket: string, prefix: string, largestCopyBytes: number) {
    this.#largestCopyBytes = largestCopyBytes;
    this.address = address.replace(/\/+$/, '');
    this.localRoot = localRootOf(this.address);
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#client = new this.#sdk.S3Client({
      maxAttempts: ATTEMPTS,
      // A server of one's own has no subdomain for each bucket, and Amazon accepts both.
      forcePathStyle: true,
      followRegionRedirects: true,
    });
  }

  async exists(): Promise<boolean> {
    try {
      // A HEAD request for the bucket would be answered without saying what is wrong.
      await this.#explained(() =>
        this.#client.send(new this.#sdk.ListObjectsV2Command({ Bucket: this.#bucket, MaxKeys: 1 })),
      );
      return true;
    } catch (error) {
      const { cause } = error as Error;
      if (cause instanceof Error && cause.name === 'NoSuchBucket') return false;
      throw error;
    }
  }

  locate(key: string): string {
    const normal = normalizeKey(key, this.address);
    return normal === '' ? this.address : `${this.address}/${normal}`;
  }

  url(key: string): string {
    return this.locate(key);
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const body = await this.#open(key);
    if (body === undefined) return undefined;
    const parts: Uint8Array[] = [];
    for await (const part of body.content) parts.push(part);
    return { content: Buffer.concat(parts), version: body.version };
  }

  async stream(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    return (await this.#open(key))?.content;
  }

  async tail(key: string, bytes: number): Promise<Buffer | undefined> {
    const request = new this.#sdk.GetObjectCommand({ ...this.#name(key), Range: `bytes=-${bytes}` });
    for (let attempt = 1; ; attempt += 1)
      try {
        const found = await this.#unlessMissing(() => this.#client.send(request));
        return found?.Body && Buffer.from(await found.Body.transformToByteArray());
      } catch (error) {
        // An empty object has no last bytes.
        if (statusOf(error) === 416) return Buffer.alloc(0);
        // The content of an answer, unlike a request, is not asked for again by itself.
        if (error instanceof StorageUnavailable || attempt === TAIL_ATTEMPTS) throw error;
      }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const found = await this.#unlessMissing(() =>
      this.#client.send(new this.#sdk.HeadObjectCommand(this.#name(key))),
    );
    return (
      found && {
        key: normalizeKey(key, this.address),
        bytes: found.ContentLength ?? 0,
        version: found.ETag ?? '',
        modifiedAt: found.LastModified ?? new Date(0),
      }
    );
  }

  async put(key: string, body: ObjectBody): Promise<void> {
    await this.#upload(key, body);
  }

  putIfAbsent(key: string, body: ObjectBody): Promise<boolean> {
    return this.#putIf(key, body, { IfNoneMatch: '*' });
  }

  async putUnderFreeKey(keys: readonly string[], body: ObjectBody): Promise<string | undefined> {
    const content = await takeIntoMemory(body, PART_BYTES);
    // A stream can be sent only once, and its last key is the one that nobody else has.
    const candidates = isInMemory(content) ? keys : keys.slice(-1);
    for (const key of candidates) if (await this.putIfAbsent(key, content)) return key;
    return undefined;
  }

  replaceIfVersion(key: string, body: ObjectBody, version: string): Promise<boolean> {
    return this.#putIf(key, body, { IfMatch: version });
  }

  async move(key: string, to: string): Promise<boolean> {
    const [from, target] = [this.#name(key), this.#name(to)];
    const copied = await this.#unlessMissing(async () => {
      await copyObject(this.#client, this.#sdk, from, target, this.#largestCopyBytes);
      return true;
    });
    if (copied === undefined) return false;
    await this.delete(key);
    return true;
  }

  async delete(key: string): Promise<void> {
    const [object = '', uploadId] = key.split(UPLOAD_MARK);
    const name = this.#name(object);
    await this.#unlessMissing<unknown>(() =>
      uploadId === undefined
        ? this.#client.send(new this.#sdk.DeleteObjectCommand(name))
        : this.#client.send(new this.#sdk.AbortMultipartUploadCommand({ ...name, UploadId: uploadId })),
    );
  }

  async children(prefix: string): Promise<Child[]> {
    const start = this.#start(prefix);
    const kinds = new Map<string, Child['kind']>();
    for await (const page of this.#pages(start, '/')) {
      for (const { Key = '' } of page.Contents ?? []) kinds.set(Key.slice(start.length), 'object');
      for (const { Prefix = '' } of page.CommonPrefixes ?? [])
        kinds.set(Prefix.slice(start.length, -1), 'prefix');
    }
    return [...kinds].map(([name, kind]) => ({ name, kind })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    const found: ObjectInfo[] = [];
    for await (const page of this.#pages(this.#start(prefix)))
      for (const { Key = '', Size = 0, ETag = '', LastModified = new Date(0) } of page.Contents ?? [])
        found.push({ key: this.#keyOf(Key), bytes: Size, version: ETag, modifiedAt: LastModified });
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async listIncomplete(prefix: string): Promise<ObjectInfo[]> {
    const found: ObjectInfo[] = [];
    let next: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (next !== undefined) {
      const request = new this.#sdk.ListMultipartUploadsCommand({
        Bucket: this.#bucket,
        Prefix: this.#start(prefix),
        ...next,
      });
      const page: ListMultipartUploadsCommandOutput = await this.#explained(() => this.#client.send(request));
      for (const { Key = '', UploadId = '', Initiated = new Date(0) } of page.Uploads ?? []) {
        const key = `${this.#keyOf(Key)}${UPLOAD_MARK}${UploadId}`;
        found.push({ key, bytes: 0, version: UploadId, modifiedAt: Initiated });
      }
      const { IsTruncated = false, NextKeyMarker = '', NextUploadIdMarker = '' } = page;
      next = IsTruncated ? { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker } : undefined;
    }
    return found;
  }

  async openLog(key: string): Promise<AppendLog> {
    return new ObjectPerFlushLog(this, key);
  }

  localFolder(prefix: string): Promise<LocalFolder> {
    return copyToLocalFolder(this, prefix);
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined;
  }

  /** The content of one version of an object. A connection that breaks is opened again where it broke. */
  async #open(key: string): Promise<{ content: AsyncIterable<Uint8Array>; version: string } | undefined> {
    const request = (from: number, version?: string) =>
      this.#unlessMissing(() =>
        this.#client.send(
          new this.#sdk.GetObjectCommand({
            ...this.#name(key),
            ...(version === undefined ? {} : { IfMatch: version }),
            ...(from === 0 ? {} : { Range: `bytes=${from}-` }),
          }),
        ),
      );
    const first = await request(0);
    if (first === undefined) return undefined;
    const version = first.ETag ?? '';
    const content = wholeContent(first, (from) => request(from, version), this.locate(key));
    return { content, version };
  }

  async #upload(key: string, body: ObjectBody, more: object = {}): Promise<void> {
    const upload = new this.#uploads.Upload({
      client: this.#client,
      params: {
        ...this.#name(key),
        Body: isInMemory(body) ? Buffer.from(body) : Readable.from(body),
        ...more,
      },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_A_TIME,
    });
    await this.#explained(() => upload.done());
  }

  /** Puts an object under a condition. Returns false and changes nothing if it does not hold. */
  async #putIf(key: string, body: ObjectBody, condition: Condition): Promise<boolean> {
    const putId = randomUUID();
    for (;;) {
      try {
        await this.#upload(key, body, { ...condition, Metadata: { [PUT_ID]: putId } });
        return true;
      } catch (error) {
        // Another conditional write of the object is under way, and may fail.
        if (statusOf(error) === 409 && isInMemory(body)) continue;
        if (![404, 409, 412].includes(statusOf(error) ?? 0)) throw error;
        // The condition may fail because of this put itself, if the answer to its first attempt was lost.
        const standing = await this.#unlessMissing(() =>
          this.#client.send(new this.#sdk.HeadObjectCommand(this.#name(key))),
        );
        return standing?.Metadata?.[PUT_ID] === putId;
      }
    }
  }

  async *#pages(start: string, delimiter?: string): AsyncGenerator<ListObjectsV2CommandOutput> {
    let token: string | undefined;
    do {
      const request = new this.#sdk.ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: start,
        Delimiter: delimiter,
        ContinuationToken: token,
      });
      const page = await this.#explained(() => this.#client.send(request));
      yield page;
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  #name(key: string): { Bucket: string; Key: string } {
    const normal = normalizeKey(key, this.address);
    return { Bucket: this.#bucket, Key: this.#prefix === '' ? normal : `${this.#prefix}/${normal}` };
  }

  #keyOf(name: string): string {
    return this.#prefix === '' ? name : name.slice(this.#prefix.length + 1);
  }

  /** The beginning of the names of all objects below a prefix. */
  #start(prefix: string): string {
    const { Key } = this.#name(prefix);
    const normal = Key.replace(/\/$/, '');
    return normal === '' ? '' : `${normal}/`;
  }

  /** Undefined if the object, the upload or the bucket is missing. */
  async #unlessMissing<T>(request: () => Promise<T>): Promise<T | undefined> {
    return this.#explained(request).catch((error: unknown) => {
      if (error instanceof Error && MISSING.includes(error.name)) return undefined;
      throw error;
    });
  }

  #explained<T>(request: () => Promise<T>): Promise<T> {
    return request().catch((error: unknown) => {
      throw explainS3Error(error, this.address);
    });
  }
}
