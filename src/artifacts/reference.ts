/**
 * What a workflow's history carries in place of data: where an artifact is and what it must be. The uri is relative to
 * the store's root, so that a store can be moved and a history kept.
 */
export interface ArtifactReference {
  readonly uri: string;
  /** Of the records file, as hexadecimal digits. */
  readonly sha256: string;
  readonly records: number;
  readonly bytes: number;
}

/** Counts by name, such as `{pairs: 180, 'dropped: equal responses': 3}`. */
export type Counts = Readonly<Record<string, number>>;

/** What an artifact means: two artifacts with the same fingerprint may stand in for each other. */
export interface Fingerprint {
  readonly [field: string]: FingerprintValue;
}
type FingerprintValue = string | number | boolean | null | readonly FingerprintValue[] | Fingerprint;

/** `manifest.json` beside the records: written once, together with them. */
export interface Manifest extends ArtifactReference {
  readonly schema: 1;
  readonly fingerprint: Fingerprint;
  readonly counts: Counts;
  /** Small results that belong to the artifact, such as scores. */
  readonly summary?: unknown;
  /** SHA-256 of each further file by name, as hexadecimal digits. */
  readonly files?: Readonly<Record<string, string>> | undefined;
  /** Where and when it was made; never part of what it means. */
  readonly madeAt: string;
  readonly madeOn: string;
}
