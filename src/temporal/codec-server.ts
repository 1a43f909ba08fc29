import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { readBounded, TooLarge } from '../platform/bounded-text.ts';
import type { EncryptionKey } from './encryption-keys.ts';
import { EncryptionCodec, type Payload } from './payload-codec.ts';
import { PayloadNotDecrypted } from './payload-not-decrypted.ts';

export interface CodecServerOptions {
  readonly keys: readonly EncryptionKey[];
  readonly host: string;
  /** Any free one if it is 0. */
  readonly port: number;
  /** The addresses of the Web UIs whose pages may read the answers. */
  readonly origins: readonly string[];
  /** If it is set, calls need it as `Authorization: Bearer TOKEN`. */
  readonly token: string | undefined;
  /** The namespace whose payloads the server handles. */
  readonly namespace: string;
}

/** The largest body. The server of Temporal accepts 4 MB in one message, which base64 makes a third larger. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const CALL_MS = 10_000;
const PREFLIGHT_SECONDS = 600;

/**
 * Serves Temporal's remote codec: `POST /encode` and `POST /decode` with `{payloads}` as JSON, for the Web UI and the
 * Temporal CLI. Answers a browser only if its page is of one of the origins.
 * @throws the system's error if the address can't be bound
 */
export async function startCodecServer(options: CodecServerOptions): Promise<Server> {
  const codec = new EncryptionCodec(options.keys);
  const server = createServer({ requestTimeout: CALL_MS, headersTimeout: CALL_MS }, (request, response) => {
    answer(request, response, options, codec).catch((error: unknown) => {
      const problem = problemOf(error);
      // The rest of a body that is too large isn't read.
      response.setHeader('connection', 'close');
      respond(response, problem.status, { message: problem.message });
    });
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: CodecServerOptions,
  codec: EncryptionCodec,
): Promise<void> {
  requireOrigin(request, response, options);
  // A browser asks before it sends a page's call, and sends no credentials then.
  if (request.method === 'OPTIONS') {
    response.writeHead(204).end();
    return;
  }
  const path = URL.parse(request.url ?? '', 'http://codec')?.pathname;
  if (path !== '/encode' && path !== '/decode')
    throw new Refused(404, 'there is nothing here: the paths are /encode and /decode');
  if (request.method !== 'POST') throw new Refused(405, 'only POST is served');
  requireToken(request, options);
  requireNamespace(request, options);
  // A page of any origin may send a form or plain text without asking first.
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new Refused(415, 'the content type must be application/json');
  const payloads = parsePayloads(await readBody(request));
  const results = await (path === '/encode' ? codec.encode(payloads) : codec.decode(payloads));
  respond(response, 200, { payloads: results.map(toJson) });
}

/** Programs other than browsers send no origin. */
function requireOrigin(
  { headers: { origin } }: IncomingMessage,
  response: ServerResponse,
  { origins }: CodecServerOptions,
): void {
  response.setHeader('vary', 'origin');
  if (origin === undefined) return;
  if (!origins.includes(origin))
    throw new Refused(403, 'pages of this origin are not served: name it with --origin');
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-allow-credentials', 'true');
  response.setHeader('access-control-allow-methods', 'POST');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, x-namespace');
  response.setHeader('access-control-max-age', PREFLIGHT_SECONDS);
}

function requireToken({ headers }: IncomingMessage, { token }: CodecServerOptions): void {
  if (token === undefined) return;
  // Hashes are compared, because only texts of one length can be compared in constant time.
  const hash = (text: string) => createHash('sha256').update(text).digest();
  if (!timingSafeEqual(hash(headers.authorization ?? ''), hash(`Bearer ${token}`)))
    throw new Refused(401, 'the call needs "Authorization: Bearer TOKEN" with the token of this server');
}

function requireNamespace({ headers }: IncomingMessage, { namespace }: CodecServerOptions): void {
  const requested = headers['x-namespace'];
  // The Temporal CLI sends an empty one without --namespace.
  if (requested && requested !== namespace)
    throw new Refused(403, `this server has the keys of the namespace ${namespace} only`);
}

async function readBody(request: IncomingMessage): Promise<string> {
  try {
    return (await readBounded(request, MAX_BODY_BYTES)).toString();
  } catch (error) {
    if (error instanceof TooLarge) throw new Refused(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    throw error;
  }
}

/** Payloads as JSON, in which bytes are base64. */
const payloadsSchema = z.object({
  payloads: z
    .array(z.object({ metadata: z.record(z.string(), z.base64()).default({}), data: z.base64().default('') }))
    .default([]),
});

function parsePayloads(body: string): Payload[] {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    // Its message would quote the body.
  }
  const { data } = payloadsSchema.safeParse(json);
  if (data === undefined)
    throw new Refused(400, 'the body must be {"payloads": [{"metadata": {NAME: BASE64}, "data": BASE64}]}');
  return data.payloads.map(({ metadata, data: bytes }) => ({
    metadata: Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
    ),
    data: Buffer.from(bytes, 'base64'),
  }));
}

function toJson({ metadata, data }: Payload): object {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
    ),
    data: Buffer.from(data ?? []).toString('base64'),
  };
}

/** A call that isn't answered, for a reason that the caller may know. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function problemOf(error: unknown): Pick<Refused, 'status' | 'message'> {
  if (error instanceof Refused) return error;
  if (error instanceof PayloadNotDecrypted) return { status: 422, message: error.message };
  return { status: 400, message: 'the call could not be read' };
}

function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
