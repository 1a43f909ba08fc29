import type { Fingerprint } from './artifact.ts';
import { fieldDifferences, formatChanges } from '../platform/field-differences.ts';

/** An artifact of this name exists, but has another fingerprint. Nothing was changed. */
export class FingerprintMismatch extends Error {
  override readonly name = 'FingerprintMismatch';
  /** The fields that differ, such as `sampling.temperature`. */
  readonly fields: readonly string[];

  constructor(uri: string, found: Fingerprint, wanted: Fingerprint) {
    const differences = fieldDifferences(found, wanted);
    super(
      `${uri} was made with other inputs: ${formatChanges(differences)}. ` +
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
