/**
 * The HTTP API of the development server, for programs and not for pages: Temporal's own takes a start from any page that the
 * browser of this machine shows, since it neither checks who asks nor needs a type of content for which a browser asks first.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as sendRequest, type ServerResponse } from 'node:http';
import { SetupError } from '../../platform/setup-error.ts';

export interface HttpApi {
  close(): Promise<void>;
}

export interface HttpApiTarget {
  /** The port of Temporal's own HTTP API. */
  readonly port: number;
  /** The only host that it answers to, which no page knows. */
  readonly host: string;
}

/**
 * Forwards the requests of programs of this machine.
 * @throws SetupError if the port can't be bound
 */
export async function serveHttpApi(address: string, port: number, target: HttpApiTarget): Promise<HttpApi> {
  const hosts = [`${address}:${port}`, `localhost:${port}`];
  const server = createServer((request, response) => {
    const problem = problemOf(request, hosts);
    if (problem === undefined) return forward(request, response, address, target);
    response.writeHead(403, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
    // As Temporal writes "permission denied".
    response.end(`${JSON.stringify({ code: 7, message: problem })}\n`);
  });
  server.listen(port, address);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new SetupError(`Port ${port} for the Temporal HTTP API can't be used: ${(error as Error).message}`);
  }
  return {
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function problemOf({ headers }: IncomingMessage, hosts: readonly string[]): string | undefined {
  const { host, origin, 'sec-fetch-site': site = 'none' } = headers;
  // A page whose name leads to this machine sends that name.
  if (host === undefined || !hosts.includes(host)) return `the host must be ${hosts.join(' or ')}`;
  if (origin !== undefined || site !== 'none') return 'the HTTP API is for programs, and answers no page';
  return undefined;
}

function forward(
  request: IncomingMessage,
  response: ServerResponse,
  address: string,
  target: HttpApiTarget,
): void {
  const { method, url: path, headers } = request;
  const forwarded = sendRequest(
    { host: address, port: target.port, method, path, headers: { ...headers, host: target.host } },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, {
        ...answer.headers,
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
      });
      answer.pipe(response);
    },
  );
  forwarded.on('error', () => response.destroy());
  response.on('close', () => forwarded.destroy());
  request.pipe(forwarded);
}
