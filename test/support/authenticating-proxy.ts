/**
 * A proxy that demands client certificates and API keys and forwards HTTP/2 calls to a Temporal server without authentication.
 */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Identity } from './certificates.ts';

export interface ProxiedServer {
  /** The host and port of the proxy. */
  readonly address: string;
  /** The headers of every call, with the common name of the client's certificate. */
  readonly calls: readonly { readonly headers: IncomingHttpHeaders; readonly client: string }[];
  /** The accepted API keys; more may be added while clients are connected. */
  readonly keys: Set<string>;
  /** Revokes the key and ends the current calls that use it. */
  forget(key: string): void;
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** The host and port of the server behind the proxy. */
  readonly target: string;
  /** The certificate of the proxy. */
  readonly identity: Identity;
  /** The authority of accepted client certificates, as PEM. */
  readonly clientAuthority: string;
  readonly keys: readonly string[];
}

const { HTTP2_HEADER_STATUS, NGHTTP2_CANCEL } = constants;
const UNAUTHENTICATED = '16';

export async function startAuthenticatingProxy(options: ProxyOptions): Promise<ProxiedServer> {
  const { target, identity, clientAuthority } = options;
  const keys = new Set(options.keys);
  const calls: { headers: IncomingHttpHeaders; client: string }[] = [];
  const server = createSecureServer({
    cert: identity.certificate,
    key: identity.key,
    ca: clientAuthority,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const connectBehind = () => connect(`http://${target}`).on('error', () => undefined);
  let behind = connectBehind();
  const sockets = new Set<TLSSocket>();
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const streams = new Map<string, Set<ServerHttp2Stream>>();
  server.on('stream', (stream, headers) => {
    // A client that ends breaks all of its calls.
    stream.on('error', () => undefined);
    const { subject } = (
      stream.session as ServerHttp2Session & { socket: TLSSocket }
    ).socket.getPeerCertificate();
    calls.push({ headers, client: [subject.CN].flat().join() });
    const [, key = ''] = /^Bearer (.*)$/.exec(headers.authorization ?? '') ?? [];
    if (!keys.has(key)) return refuse(stream);
    const open = streams.get(key) ?? new Set();
    streams.set(key, open.add(stream));
    stream.on('close', () => open.delete(stream));
    // Temporal closes a connection that is unused for two minutes.
    if (behind.closed || behind.destroyed) behind = connectBehind();
    handOn(stream, headers, behind);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    keys,
    forget(key) {
      keys.delete(key);
      for (const stream of streams.get(key) ?? []) stream.close(NGHTTP2_CANCEL);
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      behind.destroy();
      await once(server, 'close');
    },
  };
}

/** Rejects the call with trailers only, as a gateway that checks keys does. */
function refuse(stream: ServerHttp2Stream): void {
  stream.respond(
    {
      [HTTP2_HEADER_STATUS]: 200,
      'content-type': 'application/grpc',
      'grpc-status': UNAUTHENTICATED,
      'grpc-message': 'Jwt is expired',
    },
    { endStream: true },
  );
}

function handOn(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, behind: ClientHttp2Session): void {
  const call = behind.request(headers);
  let trailers: IncomingHttpHeaders = {};
  stream.on('close', () => call.close(NGHTTP2_CANCEL));
  call.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  call.on('trailers', (received) => (trailers = received));
  call.on('response', (received, flags) => {
    const isAll = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    if (stream.destroyed) return;
    stream.respond(received, { endStream: isAll, waitForTrailers: !isAll });
    if (!isAll) call.pipe(stream);
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.pipe(call);
}
