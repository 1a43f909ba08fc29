import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';

/** Attempts to go on with the content of an object whose connection broke, without a byte in between. */
const READ_ATTEMPTS = 5;

/**
 * The content of one version of an object. A connection that breaks is opened again where it broke.
 * @param first the answer with the content from its beginning
 * @param again requests the content from a byte on; undefined if the object is gone
 */
export async function* wholeContent(
  first: GetObjectCommandOutput,
  again: (from: number) => Promise<GetObjectCommandOutput | undefined>,
  where: string,
): AsyncGenerator<Uint8Array> {
  let body = first.Body as Readable;
  let read = 0;
  let attempts = 0;
  const total = first.ContentLength ?? 0;
  for (;;) {
    try {
      for await (const part of body) {
        read += (part as Uint8Array).length;
        attempts = 0;
        yield part as Uint8Array;
      }
      if (read === total) return;
      throw new Error(`${where}: ${read} of ${total} bytes came`);
    } catch (error) {
      attempts += 1;
      if (attempts === READ_ATTEMPTS) throw error;
      const next = await again(read);
      if (next === undefined) throw new Error(`${where} was deleted while it was read`, { cause: error });
      body = next.Body as Readable;
    }
  }
}
