import type { JsonObject } from '../../platform/is-object.ts';

/** The first of several keys that an object has with a value; a key with null if there is no other. */
export function keyOf(item: JsonObject, keys: readonly string[]): string | undefined {
  return keys.find((key) => item[key] !== undefined && item[key] !== null) ?? keys.find((key) => key in item);
}

/** Tells a value that is there and not empty from a missing one. */
export function isFilled(value: unknown): boolean {
  if (Array.isArray(value) || typeof value === 'string') return value.length > 0;
  return value !== undefined && value !== null;
}

/** Names the kind of a value for a reason. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value === 'string' ? 'text' : typeof value}`;
}

/** The keys of an object for a reason, of which rows should have few different ones. */
export function keysOf(item: JsonObject): string {
  const keys = Object.keys(item).sort();
  const shown = keys.slice(0, 8).map((key) => JSON.stringify(key.slice(0, 40)));
  return keys.length === 0 ? '{}' : `${shown.join(', ')}${keys.length > 8 ? ', ...' : ''}`;
}
