/** A proxy before an HTTP server that breaks some of the requests. */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { once } from 'node:events';
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** An answer in place of the server's, or a way to break it. */
export type Fault =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** The server does what is asked, and the connection breaks before its answer. */
  | { readonly kind: 'answer lost' }
  /** Half of the answer's body arrives. */
  | { readonly kind: 'answer cut' }
  /** An object is put whatever condition the request has. Its credentials are those of this process. */
  | { readonly kind: 'condition ignored' };

export interface ProxiedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface FaultyProxy {
  readonly url: string;
  /** Chooses the fault of each request from now on; undefined: none. */
  breaks(choose: (request: ProxiedRequest) => Fault | undefined): void;
  /** Holds each request back from now on. */
  delays(milliseconds: number): void;
  close(): Promise<void>;
}

/** @param target the server's address, `http://HOST:PORT` */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  let choose: (request: ProxiedRequest) => Fault | undefined = () => undefined;
  let latency = 0;
  const server = createServer((incoming, outgoing) => {
    const { method = '', url: path = '', headers } = incoming;
    const fault = choose({ method, path, headers });
    if (fault?.kind === 'condition ignored') void putAnyway(incoming, outgoing, target);
    else if (latency === 0) forward(incoming, outgoing, target, fault);
    else void sleep(latency).then(() => forward(incoming, outgoing, target, fault));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    breaks(next) {
      choose = next;
    },
    delays(milliseconds) {
      latency = milliseconds;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Puts the object without the request's condition, and so under another signature. */
async function putAnyway(incoming: IncomingMessage, outgoing: ServerResponse, target: string): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  const [, Bucket = '', ...key] = new URL(incoming.url ?? '/', target).pathname.split('/');
  const client = new S3Client({ endpoint: target, forcePathStyle: true });
  const Key = key.map(decodeURIComponent).join('/');
  const { ETag = '' } = await client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.concat(parts) }));
  client.destroy();
  outgoing.writeHead(200, { etag: ETag }).end();
}

function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: string,
  fault: Exclude<Fault, { kind: 'condition ignored' }> | undefined,
): void {
  if (fault?.kind === 'answer') {
    incoming.resume();
    outgoing.writeHead(fault.status, { 'content-type': 'application/xml' }).end(fault.body);
    return;
  }
  const { method, url, headers } = incoming;
  const forwarded = send(new URL(url ?? '/', target), { method, headers }, (answer) => {
    if (fault?.kind === 'answer lost') {
      answer.resume().on('end', () => outgoing.destroy());
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    if (fault === undefined) {
      answer.pipe(outgoing);
      return;
    }
    const half = Math.floor(Number(answer.headers['content-length'] ?? 0) / 2);
    let sent = 0;
    answer.on('data', (part: Buffer) => {
      const rest = half - sent;
      if (rest > 0) outgoing.write(part.subarray(0, rest));
      sent += part.length;
    });
    answer.on('end', () => setImmediate(() => outgoing.destroy()));
  });
  forwarded.on('error', () => outgoing.destroy());
  incoming.pipe(forwarded);
}
