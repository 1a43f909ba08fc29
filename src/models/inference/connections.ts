/** Sends requests to endpoints over a pool of connections, and reads their answers whatever the server calls them. */
import type { IncomingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createUnzip } from 'node:zlib';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { nestingProblem } from '../../platform/nesting.ts';
import { PAGE_BYTES, readBoundedText, TooLarge } from '../../platform/bounded-text.ts';
import { InvalidAnswer } from './chat-answer.ts';
import { type ConnectionGuard, guardedLookup } from './connection-guard.ts';
import { describeAnswer } from './describe-answer.ts';
import { type Endpoint, isLocalAddress, keyHeader, requestUrl } from './endpoint.ts';
import { HttpFailure, Redirected, StreamedAnswer } from './http-failure.ts';
import { withTimeout } from './timeout.ts';

export interface Connections {
  /**
   * Sends a JSON document with the key by POST, or a GET without one, and returns the JSON of the answer.
   * @param path below the endpoint's base URL
   * @throws HttpFailure, Redirected, StreamedAnswer, InvalidAnswer; the errors of undici; the signal's reason
   */
  send(
    destination: Destination,
    path: string,
    document: object | undefined,
    signal: AbortSignal,
  ): Promise<unknown>;
  /** Fetches a page of a server without sending a key. */
  fetchPage(url: URL, signal: AbortSignal): Promise<{ status: number; text: string }>;
  /** Closes the pool after the requests in flight have ended. */
  close(): Promise<void>;
}

export interface Destination {
  readonly endpoint: Endpoint;
  readonly key: string;
}

/**
 * The largest answer to a request that is read, decompressed. Ten times what 64 samples of 8,000 tokens take in JSON; an endpoint can fill
 * this many bytes for each request in flight.
 */
const ANSWER_BYTES = 32_000_000;

/** How often a server may name another path of itself. */
const MAX_REDIRECTS = 3;

/**
 * Uses the proxies of the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY, except to this machine and to private addresses, where
 * the servers of runs are.
 * @param maximumConnections at the same time to one host
 * @param guard without it every endpoint is asked. A proxy resolves names by itself, so it decides which addresses it reaches
 */
export function createConnections(maximumConnections: number, guard?: ConnectionGuard): Connections {
  // By default undici fails after five minutes without a header or a part of the body, and a request for many long samples
  // takes longer. Only `withTimeout` limits an attempt.
  const options = {
    ...{ connections: maximumConnections, headersTimeout: 0, bodyTimeout: 0 },
    ...(guard === undefined ? {} : { connect: { lookup: guardedLookup(guard) } }),
  };
  const direct = new Agent(options);
  let byEnvironment: EnvHttpProxyAgent | undefined;
  const dispatcherFor = (url: URL) =>
    isLocalAddress(url) ? direct : (byEnvironment ??= new EnvHttpProxyAgent(options));

  return {
    async send({ endpoint, key }, path, document, signal) {
      await guard?.requireEndpoint(endpoint);
      const options = {
        ...(document === undefined
          ? { method: 'GET' as const }
          : { method: 'POST' as const, body: JSON.stringify(document) }),
        headers: {
          accept: 'application/json',
          'content-type': 'application/json',
          'user-agent': 'self-taught-evaluator',
          ...keyHeader(endpoint, key),
        },
        signal,
      };
      let url = requestUrl(endpoint.baseUrl, path);
      for (let redirects = 0; ; redirects++) {
        // fetch, which follows redirects by itself, takes twice the processor time.
        const { statusCode, headers, body } = await request(url, {
          ...options,
          dispatcher: dispatcherFor(url),
        });
        const text = await readText(headers, body, document === undefined ? PAGE_BYTES : ANSWER_BYTES);
        const target = redirectTarget(statusCode, headers, url);
        if (target === undefined) return readResponse(statusCode, headers, text);
        // 307 and 308 keep method and body. A key must not go to another server, nor unencrypted where it was not meant to.
        if (target.origin !== url.origin || statusCode < 307 || redirects === MAX_REDIRECTS)
          throw new Redirected(statusCode, (target.origin + target.pathname).slice(0, 200));
        url = target;
      }
    },
    async fetchPage(url, signal) {
      await guard?.requireEndpoint({ baseUrl: url.href });
      const { statusCode, headers, body } = await request(url, { dispatcher: dispatcherFor(url), signal });
      return { status: statusCode, text: await readText(headers, body, PAGE_BYTES) };
    },
    async close() {
      await Promise.all([direct.close(), byEnvironment?.close()]);
    },
  };
}

/** A longer text is no name of a model. */
const MAX_NAME_CHARACTERS = 300;

/** Returns the names of the models that an endpoint has, in whatever shape it lists them. Throws what `send` throws. */
export async function listModels(
  connections: Connections,
  destination: Destination,
  timeoutSeconds: number,
): Promise<string[]> {
  const list = await withTimeout(timeoutSeconds, undefined, (signal) =>
    connections.send(destination, '/models', undefined, signal),
  );
  const { data, models } = (list ?? {}) as { readonly data?: unknown; readonly models?: unknown };
  const entries = [list, data, models].find(Array.isArray) ?? [];
  return entries.flatMap((entry: unknown) => {
    const { id, name, model } = (entry ?? {}) as Readonly<Record<string, unknown>>;
    const named = [entry, id, name, model].find((text) => typeof text === 'string');
    return named === undefined || named.length > MAX_NAME_CHARACTERS ? [] : [named];
  });
}

const DECOMPRESSORS = {
  gzip: createUnzip,
  'x-gzip': createUnzip,
  deflate: createUnzip,
  br: createBrotliDecompress,
};

/** Errors of the decompressors, and not of the connection. */
const DAMAGED = /^(Z_|ERR__|ERR_BROTLI|ERR_ZLIB)/;

/**
 * Reads a body as text, up to `limit` bytes. No compression was asked for, but some gateways compress all the same.
 * @throws InvalidAnswer; what the connection throws
 */
async function readText(
  { 'content-encoding': encoding = 'identity', 'content-length': length }: IncomingHttpHeaders,
  body: Dispatcher.ResponseData['body'],
  limit: number,
): Promise<string> {
  const createDecompressor = DECOMPRESSORS[encoding.toLowerCase() as keyof typeof DECOMPRESSORS];
  try {
    if (createDecompressor === undefined) {
      // The parser takes no more than was announced, and one part is read faster than many.
      if (Number(length) <= limit) return await body.text();
      return await readBoundedText(body, limit);
    }
    let text = '';
    await pipeline(body, createDecompressor(), async (content: AsyncIterable<Uint8Array>) => {
      text = await readBoundedText(content, limit);
    });
    return text;
  } catch (error) {
    if (error instanceof TooLarge) throw new InvalidAnswer(`the answer is too large: ${error.message}`);
    const { code = '' } = error as { code?: string };
    if (!DAMAGED.test(code)) throw error;
    throw new InvalidAnswer(`the answer can't be decompressed, though its content-encoding is ${encoding}`);
  }
}

function redirectTarget(status: number, headers: IncomingHttpHeaders, from: URL): URL | undefined {
  const { location } = headers;
  return status >= 300 && status < 400 && location !== undefined
    ? (URL.parse(location, from.href) ?? undefined)
    : undefined;
}

function readResponse(status: number, headers: IncomingHttpHeaders, text: string): unknown {
  const description = () => describeAnswer(text, headers['content-type']);
  if (status < 200 || status > 299)
    throw new HttpFailure(status, readErrorBody(text), { headers: toHeaders(headers), description });
  if (/^text\/event-stream/i.test(headers['content-type'] ?? '') || /^\s*(data|event|id|retry)?:/.test(text))
    throw new StreamedAnswer('the answer is a stream of events, although the request says "stream": false');
  const document = text.trim();
  if (!/^[[{]/.test(document)) throw new InvalidAnswer(`the answer is not JSON: ${description()}`, text);
  const answer = parseJson(document);
  const problem = nestingProblem(answer);
  if (problem !== undefined) throw new InvalidAnswer(`the answer is ${problem}`);
  return answer;
}

function toHeaders(headers: IncomingHttpHeaders): Headers {
  const lines = Object.entries(headers).flatMap(([name, values = []]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  );
  return new Headers(lines);
}

function readErrorBody(text: string): unknown {
  try {
    const body: unknown = JSON.parse(text);
    return nestingProblem(body) === undefined ? body : text;
  } catch {
    return text;
  }
}

/** Reads JSON, also with the NaN and Infinity of Python in fields that are not needed. */
function parseJson(document: string): unknown {
  for (const prepare of [(text: string) => text, withoutNonFiniteNumbers]) {
    try {
      return JSON.parse(prepare(document));
    } catch {}
  }
  // The parser's message would quote a part of the document, which might contain a part of an echoed key.
  throw new InvalidAnswer('the answer is not a complete JSON document');
}

function withoutNonFiniteNumbers(document: string): string {
  return document.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b/gs, (token) =>
    token.startsWith('"') ? token : 'null',
  );
}
