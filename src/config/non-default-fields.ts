import { isDeepStrictEqual } from 'node:util';
import { isObject } from '../platform/is-object.ts';

/**
 * Removes every field that has its default value. The result is the smallest part of the configuration that
 * is read as the same configuration. A field is kept if the configuration would be invalid or different
 * without it.
 * @param complete the configuration with all defaults filled in
 * @param read fills in the defaults; returns undefined for an invalid configuration
 */
export function withoutDefaults(complete: object, read: (part: object) => unknown): object {
  const smallest = structuredClone(complete) as Record<string, unknown>;
  const isEnough = () => isDeepStrictEqual(read(smallest), complete);
  const shrink = (value: Record<string, unknown>): void => {
    for (const [name, inner] of Object.entries(value)) {
      Reflect.deleteProperty(value, name);
      if (isEnough()) continue;
      value[name] = inner;
      // The elements of a list are kept, but their fields may be removed.
      for (const each of Array.isArray(inner) ? inner : [inner]) if (isObject(each)) shrink(each);
    }
  };
  shrink(smallest);
  return smallest;
}

/**
 * Lists the values of an object by the paths of their fields, such as `judging.samples`. A list of plain
 * values is one value.
 */
export function flattenFields(value: unknown, path = ''): { field: string; value: unknown }[] {
  if (!(Array.isArray(value) ? value.some(isObject) : isObject(value))) return [{ field: path, value }];
  return Object.entries(value as object).flatMap(([name, inner]) =>
    flattenFields(inner, path === '' ? name : `${path}.${name}`),
  );
}
