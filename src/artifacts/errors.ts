import type { Fingerprint } from './reference.ts';
import { canonicalJson } from './canonical-json.ts';

/** A fingerprint may hold the hashes of thousands of shards. */
const SHOWN_DIFFERENCES = 5;
const SHOWN_CHARACTERS = 200;

/** An artifact of this name exists but means something else. Nothing was changed. */
export class FingerprintMismatch extends Error {
  override readonly name = 'FingerprintMismatch';
  /** The fields that differ, such as `sampling.temperature`. */
  readonly fields: readonly string[];

  constructor(uri: string, found: Fingerprint, wanted: Fingerprint) {
    const differences = differingFields(found, wanted);
    const named = differences
      .slice(0, SHOWN_DIFFERENCES)
      .map(({ field, was, is }) => `${field} was ${shortened(was)}, now ${shortened(is)}`);
    const more = differences.length - named.length;
    super(
      `${uri} was made from something else: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}. ` +
        'Give the run another name, go back to the earlier setting, or (of a run) set this stage aside with "redo": "<iteration>/<stage>".',
    );
    this.fields = differences.map(({ field }) => field);
  }
}

/** An artifact is missing, or its content is not what its manifest says. */
export class ArtifactDamaged extends Error {
  override readonly name = 'ArtifactDamaged';
}

/** Another attempt took this piece of work over; this one must not publish. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** More units than allowed failed for good. */
export class TooManySetAside extends Error {
  override readonly name = 'TooManySetAside';
}

/** The work can't go on without a user's change: the message says which. */
export class InputProblem extends Error {
  override readonly name = 'InputProblem';
}

export interface Difference {
  readonly field: string;
  readonly was: string;
  readonly is: string;
}

function shortened(value: string): string {
  return value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}...` : value;
}

/** The leaves at which two fingerprints differ, by path. */
export function differingFields(found: unknown, wanted: unknown, path = ''): Difference[] {
  if (isObject(found) && isObject(wanted)) {
    const keys = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
    return keys.flatMap((key) =>
      differingFields(found[key], wanted[key], path === '' ? key : `${path}.${key}`),
    );
  }
  const was = found === undefined ? 'not set' : canonicalJson(found);
  const is = wanted === undefined ? 'not set' : canonicalJson(wanted);
  return was === is ? [] : [{ field: path, was, is }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
