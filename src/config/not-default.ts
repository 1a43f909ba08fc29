import { isDeepStrictEqual } from 'node:util';

/**
 * What of a configuration is not a default: the smallest part of it that is read as the same whole. A field stays where
 * without it the configuration can't be read, or means something else.
 *
 * @param whole with every default filled in
 * @param read fills in the defaults; undefined where that isn't a configuration
 */
export function notDefault(whole: object, read: (part: object) => unknown): object {
  const smallest = structuredClone(whole) as Record<string, unknown>;
  const isEnough = () => isDeepStrictEqual(read(smallest), whole);
  const shrink = (value: Record<string, unknown>): void => {
    for (const [name, inner] of Object.entries(value)) {
      Reflect.deleteProperty(value, name);
      if (isEnough()) continue;
      value[name] = inner;
      // The elements of a list stay; what is in them may go.
      for (const each of Array.isArray(inner) ? inner : [inner]) if (isObject(each)) shrink(each);
    }
  };
  shrink(smallest);
  return smallest;
}

/** The values of an object by the paths of their fields, such as `judging.samples`; a list of plain values is one. */
export function fieldsOf(value: unknown, path = ''): { field: string; value: unknown }[] {
  if (!(Array.isArray(value) ? value.some(isObject) : isObject(value))) return [{ field: path, value }];
  return Object.entries(value as object).flatMap(([name, inner]) =>
    fieldsOf(inner, path === '' ? name : `${path}.${name}`),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
