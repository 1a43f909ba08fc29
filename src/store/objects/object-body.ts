import type { ObjectBody } from './object-store.ts';

export function isInMemory(body: ObjectBody): body is string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array;
}

/** Returns the whole content of a body that is not larger than `limit`; otherwise a stream of it. */
export async function takeIntoMemory(body: ObjectBody, limit: number): Promise<ObjectBody> {
  if (isInMemory(body)) return body;
  const pieces = body[Symbol.asyncIterator]();
  const taken: Uint8Array[] = [];
  let bytes = 0;
  while (bytes <= limit) {
    const next = await pieces.next();
    if (next.done === true) return Buffer.concat(taken);
    taken.push(next.value);
    bytes += next.value.length;
  }
  return (async function* (): AsyncGenerator<Uint8Array> {
    yield* taken;
    yield* { [Symbol.asyncIterator]: () => pieces };
  })();
}
