import { quote } from '../../platform/quotes.ts';
import { safeJson } from '../../platform/shown-text.ts';
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

/** A value of a row in a reason, if it is a name: a text could be part of an instruction or of a response. */
export function quotedName(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return /^[\w.:/@+-]{1,40}$/.test(text) ? JSON.stringify(text) : quote(safeJson(text.slice(0, 40)));
}

/** The keys of an object for a reason, of which rows should have few different ones. */
export function keysOf(item: JsonObject): string {
  const keys = Object.keys(item).sort();
  const shown = keys.slice(0, 8).map(quotedName);
  return keys.length === 0 ? '{}' : `${shown.join(', ')}${keys.length > 8 ? ', ...' : ''}`;
}
