/** An object of JSON, of whose fields nothing is known. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Tells an object from the other values of JSON, arrays and null among them. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
