/** An HTTP server for tests on a real socket that answers with whatever a function returns. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PlainRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** The parsed body; undefined if there was none. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

export interface PlainAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text or bytes, or a document that is sent as JSON. */
  readonly body?: unknown;
}

export interface PlainServer {
  /** `http://127.0.0.1:port`. */
  readonly origin: string;
  readonly baseUrl: string;
  readonly requests: PlainRequest[];
  answer: (request: PlainRequest) => PlainAnswer;
  close(): Promise<void>;
}

export async function startPlainServer(answer: PlainServer['answer']): Promise<PlainServer> {
  const requests: PlainRequest[] = [];
  const server = createServer((raw, response) => {
    const parts: Buffer[] = [];
    raw.on('data', (part: Buffer) => parts.push(part));
    raw.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      const { method = '', url = '', headers } = raw;
      const body = text === '' ? undefined : (JSON.parse(text) as PlainRequest['body']);
      const request = { method, url, headers, body };
      requests.push(request);
      const { status = 200, headers: sent, body: document = '' } = started.answer(request);
      const isReady = typeof document === 'string' || document instanceof Uint8Array;
      response.writeHead(status, { ...(isReady ? {} : { 'content-type': 'application/json' }), ...sent });
      response.end(isReady ? document : JSON.stringify(document));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const started: PlainServer = {
    ...{ origin, baseUrl: `${origin}/v1`, requests, answer },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return started;
}

/** A good answer with one choice. */
export function chatCompletion(content: string, fields: object = {}): object {
  return {
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 10, completion_tokens: 5 },
    ...fields,
  };
}
