/** The content of an object. A stream can be read only once. */
export type ObjectBody = string | Uint8Array | AsyncIterable<Uint8Array>;

/** The metadata of an object. */
export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
  /** Changes with every put of other content; versions can only be compared for equality. */
  readonly version: string;
  readonly modifiedAt: Date;
}

export interface StoredObject {
  readonly content: Buffer;
  readonly version: string;
}

/** A name directly below a prefix. */
export interface Child {
  readonly name: string;
  /** `prefix`: there are objects below it. */
  readonly kind: 'object' | 'prefix';
}

export interface PutOptions {
  /**
   * The possible loss in a power cut. `all` (the default): none. `content`: the object may be missing afterwards,
   * unless a later put with `all` below the same prefix has completed. `none`: the object may also be truncated. A
   * store that makes every put durable may ignore this.
   */
  readonly sync?: 'all' | 'content' | 'none';
}

/** A log: an object to which text can be appended while it is being written. */
export interface AppendLog {
  /** How far apart a writer begins syncs, in milliseconds, so that neither a record waits long nor a sync costs much. */
  readonly syncIntervalMs: number;
  /**
   * Appends text. It survives the end of this process immediately if the store can append, otherwise once `sync` has
   * resolved.
   */
  append(text: string): Promise<void>;
  /** Resolves when everything appended so far survives a power cut. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** How messages speak of a kind of store. */
export interface StoreWords {
  readonly object: 'file' | 'object';
  /** What to do about a store that doesn't keep what runs rely on. */
  readonly advice: string;
}

/** The objects below a prefix as local files. */
export interface LocalFolder {
  /** Absolute. The folder may not exist if there is no object below the prefix. */
  readonly path: string;
  /** Stores all changes of the files below `path`. Does nothing if the folder is the store's own. */
  publish(): Promise<void>;
  /** Deletes the files if they are a copy. */
  release(): Promise<void>;
}

/**
 * A store of objects by key. Keys are relative paths with `/`. A prefix is a key without its last parts; the objects
 * below it are those whose key begins with the prefix and `/`. Every operation sees all puts and deletes that
 * completed before it began, from any machine.
 */
export interface ObjectStore {
  /** The store's address in the notation of users: a folder, or an address with a scheme. */
  readonly address: string;
  readonly words: StoreWords;
  /**
   * Whether each operation is a request to a server, which takes tens of milliseconds and costs money: callers then send
   * fewer, and several at a time.
   */
  readonly isRemote: boolean;
  /**
   * The folder of this machine for files that are no objects, such as the state of model servers, and for local copies.
   * Of a store whose objects are files it is the store's own folder.
   */
  readonly localRoot: string;
  /** Whether the store exists, perhaps without an object. A store may be created by its first object. */
  exists(): Promise<boolean>;
  /** Names an object or a prefix in messages: a path, or an address with a scheme. */
  locate(key: string): string;
  /** An object's address for a browser on a machine with access to the store. */
  url(key: string): string;
  /** Undefined if there is no such object. */
  get(key: string): Promise<StoredObject | undefined>;
  /** The content of an object in pieces; undefined if there is no such object. */
  stream(key: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** The last bytes of an object, all if it has fewer; undefined if there is no such object. */
  tail(key: string, bytes: number): Promise<Buffer | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Creates or replaces an object. Readers see the complete earlier content or the complete new one. */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<void>;
  /**
   * Creates an object. Returns false and changes nothing if it exists. If several callers try at the same time, only
   * one gets true.
   */
  putIfAbsent(key: string, body: ObjectBody, options?: PutOptions): Promise<boolean>;
  /**
   * Creates an object under the first of the keys that has no object, and returns that key; undefined if all have
   * one. A store that would have to write the body twice for this may try only the last key.
   */
  putUnderFreeKey(
    keys: readonly string[],
    body: ObjectBody,
    options?: PutOptions,
  ): Promise<string | undefined>;
  /**
   * Replaces an object of the given version. Returns false and changes nothing if its version differs. If several
   * callers try at the same time, only one gets true. An object that is replaced by this operation must not also be
   * replaced by `put`.
   */
  replaceIfVersion(key: string, body: ObjectBody, version: string): Promise<boolean>;
  /**
   * Moves an object, replacing one at the target. If the process ends meanwhile, both may exist. Returns false if
   * there is no object.
   */
  move(key: string, to: string): Promise<boolean>;
  /** Deletes an object. Succeeds if it doesn't exist. */
  delete(key: string): Promise<void>;
  /** The names directly below a prefix (`''` is the root of the store), sorted. */
  children(prefix: string): Promise<Child[]>;
  /** All objects below a prefix, in the order of their keys. */
  list(prefix: string): Promise<ObjectInfo[]>;
  /** Incomplete objects of interrupted puts below a prefix. No other operation sees them; `delete` removes them. */
  listIncomplete(prefix: string): Promise<ObjectInfo[]>;
  /**
   * Begins a log under a key that no other process uses. A store that can't append keeps several objects below the
   * key instead.
   */
  openLog(key: string): Promise<AppendLog>;
  /**
   * A folder for programs that read or write files. Only the files named in tools/check-store-access.ts may call
   * this.
   */
  localFolder(prefix: string): Promise<LocalFolder>;
  /** Bytes that can still be stored; undefined if the store has no such limit. */
  freeBytes(): Promise<number | undefined>;
}

/** A kind of store, which is recognized by its addresses. */
export interface StoreDriver {
  accepts(address: string): boolean;
  /** Returns the address in a form that is valid for processes with another working directory. */
  resolve(address: string): string;
  open(address: string): ObjectStore;
}
