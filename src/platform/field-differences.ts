import { canonicalJson } from './canonical-json.ts';
import { isObject } from './is-object.ts';

export interface FieldDifference {
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

/** The paths of the fields in which two fingerprints differ. */
export function fieldDifferences(found: unknown, wanted: unknown, path = ''): FieldDifference[] {
  if (isObject(found) && isObject(wanted)) {
    const keys = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
    return keys.flatMap((key) =>
      fieldDifferences(found[key], wanted[key], path === '' ? key : `${path}.${key}`),
    );
  }
  const was = found === undefined ? 'not set' : canonicalJson(found);
  const is = wanted === undefined ? 'not set' : canonicalJson(wanted);
  return was === is ? [] : [{ field: path, before: was, after: is }];
}
