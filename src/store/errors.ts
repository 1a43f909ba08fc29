import type { Fingerprint } from './artifact.ts';
import { fieldDifferences } from '../platform/field-differences.ts';

/** Only this many differences are listed, because a fingerprint may hold the hashes of thousands of shards. */
const MAX_SHOWN_DIFFERENCES = 5;
const MAX_SHOWN_CHARACTERS = 200;

/** An artifact of this name exists, but has another fingerprint. Nothing was changed. */
export class FingerprintMismatch extends Error {
  override readonly name = 'FingerprintMismatch';
  /** The fields that differ, such as `sampling.temperature`. */
  readonly fields: readonly string[];

  constructor(uri: string, found: Fingerprint, wanted: Fingerprint) {
    const differences = fieldDifferences(found, wanted);
    const named = differences
      .slice(0, MAX_SHOWN_DIFFERENCES)
      .map(({ field, before: was, after: is }) => `${field} was ${truncate(was)}, now ${truncate(is)}`);
    const more = differences.length - named.length;
    super(
      `${uri} was made with other inputs: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}. ` +
        'Give the run another name, restore the earlier setting, or, for a run, repeat this stage with "rerunFrom": "<iteration>/<stage>".',
    );
    this.fields = differences.map(({ field }) => field);
  }
}

/** An artifact is missing, or its content differs from its manifest. */
export class ArtifactDamaged extends Error {
  override readonly name = 'ArtifactDamaged';
}

/** Tells users what to do about a damaged file of a run that has ended. */
export const MADE_AGAIN = 'Start the run again under its name; it makes the damaged files again';

/** Another attempt took this piece of work over, so this one must not publish. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** More units failed permanently than allowed. */
export class TooManySkipped extends Error {
  override readonly name = 'TooManySkipped';
}

function truncate(value: string): string {
  return value.length > MAX_SHOWN_CHARACTERS ? `${value.slice(0, MAX_SHOWN_CHARACTERS)}...` : value;
}
