import { formatBytes } from './format-bytes.ts';

/** More was sent than is read. */
export class TooLarge extends Error {
  constructor(limit: number) {
    super(`it has more than ${formatBytes(limit)}, of which the rest was not read`);
  }
}

/**
 * Reads a stream, and ends it as soon as it has more than `limit` bytes.
 * @throws TooLarge
 */
export async function readBounded(source: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of source) {
    size += part.length;
    if (size > limit) throw new TooLarge(limit);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/**
 * Reads a stream as UTF-8 text in the same way.
 * @throws TooLarge
 */
export async function readBoundedText(source: AsyncIterable<Uint8Array>, limit: number): Promise<string> {
  return new TextDecoder().decode(await readBounded(source, limit));
}

/** The largest answer that is read of a server that only says how it is: its health, its metrics, a confirmation. */
export const PAGE_BYTES = 8_000_000;

export interface TextAnswer {
  readonly status: number;
  /** True if the status is from 200 to 299. */
  readonly ok: boolean;
  readonly text: string;
}

/** How often a server may name another path of itself. */
const MAX_REDIRECTS = 3;

/**
 * Fetches a text from a server that may be hostile: no redirect to another origin is followed, but is the answer, and no more than `limit`
 * bytes are read, decompressed ones too.
 * @throws TooLarge; what fetch throws
 */
export async function fetchText(
  url: string | URL,
  options: Omit<RequestInit, 'redirect'>,
  limit = PAGE_BYTES,
): Promise<TextAnswer> {
  let next = new URL(url);
  for (let redirects = 0; ; redirects++) {
    const { status, ok, headers, body } = await fetch(next, { ...options, redirect: 'manual' });
    const location = URL.parse(headers.get('location') ?? '', next.href);
    // 307 and 308 keep method and body.
    const mayFollow = status >= 300 && status < 400 && (options.method === undefined || status >= 307);
    if (
      headers.has('location') &&
      mayFollow &&
      location?.origin === next.origin &&
      redirects < MAX_REDIRECTS
    ) {
      await body?.cancel();
      next = location;
      continue;
    }
    return { status, ok, text: body === null ? '' : await readBoundedText(body, limit) };
  }
}
