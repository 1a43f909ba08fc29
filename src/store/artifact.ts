/**
 * A reference to an artifact, which a workflow's history contains instead of the data: the artifact's location and
 * hash. The uri is relative to the store's root, so that references remain valid if the store is moved.
 */
export interface ArtifactReference {
  readonly uri: string;
  /** SHA-256 of the records file, in hexadecimal digits. */
  readonly sha256: string;
  readonly records: number;
  readonly bytes: number;
}

/** Counts by name, such as `{pairs: 180, 'dropped: equal responses': 3}`. */
export type Counts = Readonly<Record<string, number>>;

/**
 * Everything that determines the content of an artifact: two artifacts with equal fingerprints are interchangeable.
 */
export interface Fingerprint {
  readonly [field: string]: FingerprintValue;
}
type FingerprintValue = string | number | boolean | null | readonly FingerprintValue[] | Fingerprint;

/** The content of `manifest.json` beside the records: created once, after all files are stored. */
export interface Manifest extends ArtifactReference {
  readonly schema: 1;
  readonly fingerprint: Fingerprint;
  readonly counts: Counts;
  /** Small results that belong to the artifact, such as scores. */
  readonly summary?: unknown;
  /** SHA-256 of each further file by name, as hexadecimal digits. */
  readonly files?: Readonly<Record<string, string>> | undefined;
  /** The stored names of files whose own name an earlier attempt had already used. */
  readonly storedAs?: Readonly<Record<string, string>> | undefined;
  /** The place and time of its making; never part of the fingerprint. */
  readonly createdAt: string;
  readonly createdOn: string;
}

/** The content of a new artifact. */
export interface ArtifactContent {
  readonly fingerprint: Fingerprint;
  readonly records: Iterable<unknown> | AsyncIterable<unknown>;
  readonly counts?: Counts;
  readonly summary?: unknown;
  /** Further files of the artifact by name: lines of JSON, or a function that writes the file to a path. */
  readonly files?: Readonly<
    Record<string, Iterable<unknown> | AsyncIterable<unknown> | ((path: string) => Promise<void>)>
  >;
}

/** The part of a manifest that references contain. */
export function toReference(manifest: Manifest): ArtifactReference {
  const { uri, sha256, records, bytes } = manifest;
  return { uri, sha256, records, bytes };
}
