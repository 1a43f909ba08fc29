/**
 * An OpenAI-compatible endpoint for tests: a real HTTP server on a real socket whose behaviour is a function of the
 * request. Without a script it returns a valid answer that depends only on model, messages and seed.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ChatBody {
  model: string;
  messages: { role: string; content: string }[];
  n?: number;
  seed?: number;
  max_tokens?: number;
  stop?: string[];
  logprobs?: boolean;
  top_logprobs?: number;
}

export interface RecordedRequest {
  headers: IncomingHttpHeaders;
  body: ChatBody;
  /** The number of earlier chat requests. */
  index: number;
}

export type Behaviour =
  /** A valid answer; `texts` replace the deterministic ones, `choices` returns fewer than `n` of them. */
  | {
      kind: 'answer';
      texts?: readonly string[];
      /** `choices[].logprobs` of each text. */
      logprobs?: readonly unknown[];
      finishReason?: string;
      choices?: number;
      afterMilliseconds?: number;
      /** Is waited for before. */
      heldUntil?: Promise<unknown> | undefined;
    }
  /** Any status with a body in OpenAI's error shape, or any JSON or text. */
  | {
      kind: 'status';
      status: number;
      error?: Record<string, unknown>;
      body?: string;
      headers?: Record<string, string>;
    }
  /** Status 200 with this body and content type. */
  | { kind: 'raw'; body: string; contentType?: string }
  /** Announces the full length, sends half of the answer and closes the connection. */
  | { kind: 'truncated' }
  | { kind: 'reset' }
  /** Accepts the request and never answers. */
  | { kind: 'hang' }
  /** Sends headers, then blanks forever. */
  | { kind: 'trickle'; status?: number };

export type Script = (request: RecordedRequest) => Behaviour;

export interface ScriptedEndpoint {
  baseUrl: string;
  /** Chat requests in the order of arrival. */
  requests: RecordedRequest[];
  /** The maximum number of concurrent chat requests. */
  mostInFlight(): number;
  /** The number of chat requests that are neither answered nor given up. */
  inFlight(): number;
  script(next: Script): void;
  close(): Promise<void>;
}

/** Whether a request belongs to a check of the endpoint, and not to the work. */
export function isCanary({ messages }: Pick<ChatBody, 'messages'>): boolean {
  return messages.length === 1 && messages[0]?.content === 'Hello';
}

/** The text of the sample with this seed. */
export function scriptedText(model: string, messages: ChatBody['messages'], seed: number): string {
  return createHash('sha256')
    .update(JSON.stringify([model, messages, seed]))
    .digest('hex')
    .slice(0, 16);
}

export async function startScriptedEndpoint(
  options: {
    script?: Script;
    /** The models of `/v1/models`; it answers 404 if undefined. */
    models?: string[];
    /** Where it listens; 127.0.0.1 by default. */
    host?: string | undefined;
    port?: number;
  } = {},
): Promise<ScriptedEndpoint> {
  let script: Script = options.script ?? (() => ({ kind: 'answer' }));
  const { host = '127.0.0.1' } = options;
  const requests: RecordedRequest[] = [];
  let inFlight = 0;
  let most = 0;

  const server = createServer((request, response) => {
    void (async () => {
      if (request.url === '/v1/models') {
        if (options.models === undefined) sendJson(response, 404, { error: { message: 'no such path' } });
        else
          sendJson(response, 200, {
            object: 'list',
            data: options.models.map((id) => ({ id, object: 'model' })),
          });
        return;
      }
      if (request.url !== '/v1/chat/completions') {
        sendJson(response, 404, { error: { message: 'no such path' } });
        return;
      }
      const text = await readBody(request).catch(() => undefined);
      if (text === undefined) return; // The client was killed, or has given up, in the middle of its request.
      const body = JSON.parse(text) as ChatBody;
      const recorded = { headers: request.headers, body, index: requests.length };
      requests.push(recorded);
      most = Math.max(most, ++inFlight);
      response.once('close', () => inFlight--);
      behave(script(recorded), recorded, request, response);
    })();
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, host, resolve));

  return {
    baseUrl: `http://${host}:${(server.address() as AddressInfo).port}/v1`,
    requests,
    mostInFlight: () => most,
    inFlight: () => inFlight,
    script: (next) => {
      script = next;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function behave(
  behaviour: Behaviour,
  request: RecordedRequest,
  raw: IncomingMessage,
  response: ServerResponse,
): void {
  switch (behaviour.kind) {
    case 'answer':
      void Promise.resolve(behaviour.heldUntil).then(() =>
        setTimeout(
          () => sendJson(response, 200, goodAnswer(behaviour, request.body)),
          behaviour.afterMilliseconds ?? 0,
        ),
      );
      return;
    case 'status':
      response.writeHead(behaviour.status, {
        'content-type': behaviour.body === undefined ? 'application/json' : 'text/html',
        'x-request-id': `request-${request.index}`,
        ...behaviour.headers,
      });
      response.end(behaviour.body ?? JSON.stringify({ error: behaviour.error ?? { message: 'scripted' } }));
      return;
    case 'raw':
      response.writeHead(200, { 'content-type': behaviour.contentType ?? 'application/json' });
      response.end(behaviour.body);
      return;
    case 'truncated': {
      const whole = JSON.stringify(goodAnswer({ kind: 'answer' }, request.body));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length });
      response.write(whole.slice(0, whole.length / 2), () => raw.socket.destroy());
      return;
    }
    case 'reset':
      raw.socket.resetAndDestroy();
      return;
    case 'hang':
      return;
    case 'trickle': {
      response.writeHead(behaviour.status ?? 200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 5);
      response.once('close', () => clearInterval(timer));
    }
  }
}

function goodAnswer(behaviour: Behaviour & { kind: 'answer' }, body: ChatBody): object {
  const samples = Math.min(body.n ?? 1, behaviour.choices ?? Infinity);
  const texts =
    behaviour.texts ??
    Array.from({ length: samples }, (_, k) => scriptedText(body.model, body.messages, (body.seed ?? 0) + k));
  const promptTokens = JSON.stringify(body.messages).length;
  return {
    id: 'scripted',
    object: 'chat.completion',
    model: body.model,
    choices: texts.map((content, index) => ({
      index,
      message: { role: 'assistant', content },
      finish_reason: behaviour.finishReason ?? 'stop',
      ...(behaviour.logprobs === undefined ? {} : { logprobs: behaviour.logprobs[index] }),
    })),
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: texts.length,
      total_tokens: promptTokens + texts.length,
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
