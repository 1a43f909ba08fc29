import { canonicalJson } from './canonical-json.ts';
import { isObject } from './is-object.ts';
import { quantity } from './quantity.ts';

export interface FieldDifference {
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

/** A fingerprint may hold the hashes of thousands of shards. */
const MAX_SHOWN_DIFFERENCES = 5;
const MAX_SHOWN_CHARACTERS = 100;

/**
 * The paths of the fields in which two fingerprints differ, such as `fineTuning.rounds.1.method`. A list of plain
 * values is one value.
 */
export function fieldDifferences(found: unknown, wanted: unknown, path = ''): FieldDifference[] {
  const within = (key: string | number) => (path === '' ? String(key) : `${path}.${key}`);
  if (isObject(found) && isObject(wanted)) {
    const keys = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
    return keys.flatMap((key) => fieldDifferences(found[key], wanted[key], within(key)));
  }
  if (Array.isArray(found) && Array.isArray(wanted) && [...found, ...wanted].some(isObject)) {
    const length = Math.max(found.length, wanted.length);
    return Array.from({ length }, (_, index) =>
      fieldDifferences(found[index], wanted[index], within(index)),
    ).flat();
  }
  const was = found === undefined ? 'not set' : canonicalJson(found);
  const is = wanted === undefined ? 'not set' : canonicalJson(wanted);
  return was === is ? [] : [{ field: path, before: was, after: is }];
}

/** Names the fields in which a run that holds a name differs from one that is started under it. */
export function formatConflict(differences: readonly FieldDifference[]): string {
  return formatDifferences(differences, (was, is) => `is ${was} in that run and ${is} in this one`);
}

/** Names the fields that have changed since something was made. */
export function formatChanges(differences: readonly FieldDifference[]): string {
  return formatDifferences(differences, (was, is) => `was ${was}, now ${is}`);
}

/** Names the first few fields that differ, each with its values in the words of `describe`, and counts the others. */
function formatDifferences(
  differences: readonly FieldDifference[],
  describe: (before: string, after: string) => string,
): string {
  const named = differences
    .slice(0, MAX_SHOWN_DIFFERENCES)
    .map(({ field, before, after }) => `${field} ${describe(shortened(before), shortened(after))}`);
  const more = differences.length - named.length;
  if (more > 0) named.push(`and ${quantity(more, 'more field')}`);
  return named.join('; ');
}

function shortened(value: string): string {
  return value.length > MAX_SHOWN_CHARACTERS ? `${value.slice(0, MAX_SHOWN_CHARACTERS)}...` : value;
}
