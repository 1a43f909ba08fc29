import assert from 'node:assert/strict';
import { createServer, request as sendRequest } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { checkEndpoints } from '../../../src/models/inference/check-endpoints.ts';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import type { Endpoint } from '../../../src/models/inference/endpoint.ts';
import { redactUrl } from '../../../src/models/inference/endpoint.ts';
import { EndpointUnsuitable, ModelNotFound } from '../../../src/models/inference/errors.ts';
import {
  chatCompletion,
  type PlainAnswer,
  type PlainServer,
  startPlainServer,
} from '../../support/plain-server.ts';
import { instantWaits } from '../../support/simulated-time.ts';

const environment = { KEY: 'sk-secret' };
const document = JSON.stringify(chatCompletion('First.'));

describe('the transport of requests to an endpoint', () => {
  let server: PlainServer;
  let client: InferenceClient;
  let waits: number[];

  beforeEach(async () => {
    server = await startPlainServer(() => ({ body: chatCompletion('First.') }));
    waits = [];
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 1 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 2, initialSeconds: 0, maximumSeconds: 0 },
      environment,
      ...instantWaits(waits),
    });
  });
  afterEach(async () => {
    await server.close();
    await client.close();
  });

  async function textFrom(endpoint: Partial<Endpoint> = {}): Promise<string> {
    const { choices } = await client.complete({
      endpoints: [{ baseUrl: server.baseUrl, model: 'm', apiKeyEnv: 'KEY', ...endpoint }],
      messages: [{ role: 'user', content: 'Which one?' }],
      sampling: { temperature: 0, topP: 1, maxTokens: 64 },
      samples: 1,
    });
    return choices[0]!.text;
  }

  async function problemsOf(baseUrl: string, expectModel = true): Promise<string> {
    const endpoint = { baseUrl, model: 'm', apiKeyEnv: 'KEY' };
    return (await checkEndpoints([endpoint], { environment, timeoutSeconds: 10, expectModel })).join();
  }

  const types = [
    'text/plain',
    'text/json',
    'application/octet-stream',
    'text/html',
    'application/json; charset=x',
    '',
  ];
  for (const type of types) {
    it(`reads JSON with the content type ${JSON.stringify(type)}, in the work and in the check before it`, async () => {
      server.answer = ({ url }) => ({
        headers: { 'content-type': type },
        body: url.endsWith('/models') ? '{"data":[{"id":"m"}]}' : document,
      });
      assert.equal(await textFrom(), 'First.');
      assert.equal(await problemsOf(server.baseUrl), '');
      assert.equal(await problemsOf(server.baseUrl, false), '');
    });
  }

  const bodies: Record<string, string> = {
    'behind a byte order mark': `\uFEFF${document}`,
    'behind blank lines': `\r\n \n${document}\n\n`,
    'with numbers that JSON does not have': document.replace(
      '"usage"',
      '"score": NaN, "bound": -Infinity, "usage"',
    ),
  };
  for (const [name, body] of Object.entries(bodies)) {
    it(`reads JSON ${name}`, async () => {
      server.answer = () => ({ body });
      assert.equal(await textFrom(), 'First.');
    });
  }

  const compressed: Record<string, (text: string) => Buffer> = {
    gzip: gzipSync,
    'X-GZip': gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
  };
  for (const [encoding, compress] of Object.entries(compressed)) {
    it(`reads answers and errors that are compressed with ${encoding}, and tries damaged ones again`, async () => {
      const headers = { 'content-encoding': encoding };
      server.answer = () => ({ headers, body: compress(document) });
      assert.equal(await textFrom(), 'First.');
      const refusal = JSON.stringify({ error: { message: 'too many words' } });
      server.answer = () => ({ status: 413, headers, body: compress(refusal) });
      await assert.rejects(textFrom(), /too many words/);
      server.answer = () => ({
        headers,
        body: server.requests.length % 2 === 1 ? document : compress(document),
      });
      assert.equal(await textFrom(), 'First.');
      server.answer = () => ({ headers, body: compress(document).subarray(0, 60) });
      await assert.rejects(textFrom(), new RegExp(`can't be decompressed.*${encoding}`));
    });
  }

  it('asks for no stream, and says it if the answer is one all the same', async () => {
    const event = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'First.' } }] })}\n\n`;
    const stream: PlainAnswer = {
      headers: { 'content-type': 'text/event-stream' },
      body: `: wait\n\n${event}data: [DONE]\n\n`,
    };
    server.answer = ({ body }) => (body?.stream === false ? { body: chatCompletion('First.') } : stream);
    assert.equal(await textFrom(), 'First.');
    for (const headers of [stream.headers, { 'content-type': 'text/plain' }]) {
      server.answer = () => ({ ...stream, headers: headers ?? {} });
      await assert.rejects(textFrom(), (error) => {
        assert(error instanceof EndpointUnsuitable);
        assert.match(error.message, /stream of events.*"stream": false/);
        return true;
      });
      assert.match(await problemsOf(server.baseUrl), /stream of events/);
    }
  });

  it('keeps the query of the base URL at the end of each address, and sends the key of Azure in its own header', async () => {
    const query = '?api-version=2024-10-21';
    const baseUrl = `${server.origin}/openai/deployments/m${query}`;
    assert.equal(await textFrom({ baseUrl }), 'First.');
    assert.equal(await problemsOf(baseUrl), '');
    assert.equal(await problemsOf(baseUrl, false), '');
    assert.deepEqual(
      server.requests.map(({ url }) => url),
      ['chat/completions', 'chat/completions', 'models'].map(
        (path) => `/openai/deployments/m/${path}${query}`,
      ),
    );
    for (const { headers } of server.requests) {
      assert.equal(headers['api-key'], 'sk-secret');
      assert.equal(headers.authorization, undefined);
    }
  });

  it('sends the key as a bearer token, or in the header that is named', async () => {
    await textFrom();
    await textFrom({ apiKeyHeader: 'X-Api-Key' });
    await textFrom({ baseUrl: `${server.baseUrl}?api-version=1`, apiKeyHeader: 'Authorization' });
    assert.deepEqual(
      server.requests.map(({ headers }) => [headers.authorization, headers['x-api-key'], headers['api-key']]),
      [
        ['Bearer sk-secret', undefined, undefined],
        [undefined, 'sk-secret', undefined],
        ['Bearer sk-secret', undefined, undefined],
      ],
    );
  });

  it('takes a base URL that ends in a slash, or in the path of chat completions', async () => {
    for (const end of ['/', '//', '/chat/completions', '/chat/completions/'])
      await textFrom({ baseUrl: server.baseUrl + end });
    assert.deepEqual([...new Set(server.requests.map(({ url }) => url))], ['/v1/chat/completions']);
  });

  it('shows no secret of a base URL', () => {
    assert.equal(
      redactUrl('https://me:pw@x.example/v1?api-version=1&subscription-key=abc&Token=d#e'),
      'https://x.example/v1?api-version=1&subscription-key=[key]&Token=[key]#e',
    );
  });

  for (const status of [301, 302, 303, 307, 308]) {
    it(`names the address to which ${status} redirects, and sends no key there`, async () => {
      const other = await startPlainServer(() => ({ body: chatCompletion('Second.') }));
      try {
        server.answer = ({ url }) => ({ status, headers: { location: `${other.origin}${url}` } });
        await assert.rejects(textFrom(), (error) => {
          assert(error instanceof EndpointUnsuitable);
          assert(error.message.includes(`redirects to ${other.baseUrl}/chat/completions`), error.message);
          return true;
        });
        for (const expectModel of [true, false])
          assert((await problemsOf(server.baseUrl, expectModel)).includes(`redirects to ${other.baseUrl}`));
        assert.equal(other.requests.length, 0);
      } finally {
        await other.close();
      }
    });
  }

  it('follows a server to another path of its own', async () => {
    server.answer = ({ url }) =>
      url.endsWith('/')
        ? { body: chatCompletion('First.') }
        : { status: 307, headers: { location: `${url}/` } };
    assert.equal(await textFrom(), 'First.');
    assert.equal(server.requests[1]!.body?.['max_tokens'], 64);
    server.answer = ({ url }) => ({ status: 308, headers: { location: url } });
    await assert.rejects(textFrom(), EndpointUnsuitable);
  });

  it('names the models of a list in any shape', async () => {
    for (const list of [
      { object: 'list', data: [{ id: 'judge-0' }, { id: 'judge-1' }] },
      { models: [{ name: 'judge-0' }, { model: 'judge-1' }] },
      [{ id: 'judge-0', created: null }, 'judge-1'],
      { data: ['judge-0', 7, null, {}, 'judge-1'] },
    ]) {
      server.answer = ({ url }) => (url.endsWith('/models') ? { body: list } : { status: 404 });
      await assert.rejects(textFrom(), (error) => {
        assert(error instanceof ModelNotFound);
        assert.deepEqual(error.available, ['judge-0', 'judge-1']);
        return true;
      });
      assert.equal(await problemsOf(server.baseUrl, false), '');
    }
  });

  it('reads the date of Retry-After by the clock of the server', async () => {
    const now = Date.now() - 5 * 3600_000;
    const date = (after: number) => new Date(now + 1000 * after).toUTCString();
    server.answer = () =>
      server.requests.length === 1
        ? { status: 429, headers: { date: date(0), 'retry-after': date(20) } }
        : { body: chatCompletion('First.') };
    assert.equal(await textFrom(), 'First.');
    assert.deepEqual(waits, [20]);
  });

  describe('through a proxy', () => {
    const names = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
    let before: (string | undefined)[];
    let seen: string[];
    let proxy: ReturnType<typeof createServer>;

    /** Every name leads to the server. */
    beforeEach(async () => {
      before = names.map((name) => process.env[name]);
      for (const name of names) delete process.env[name];
      seen = [];
      const { port } = new URL(server.origin);
      proxy = createServer((request, response) => {
        seen.push(request.url ?? '');
        const { pathname } = new URL(request.url ?? '');
        const { method, headers } = request;
        const options = { host: '127.0.0.1', port, path: pathname, method, headers };
        request.pipe(
          sendRequest(options, (answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers);
            answer.pipe(response);
          }),
        );
      });
      proxy.on('connect', (request, socket) => {
        seen.push(request.url ?? '');
        const target = connect(Number(port), '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          target.pipe(socket).pipe(target);
        });
        for (const end of [target, socket]) end.on('error', () => target.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      process.env['HTTP_PROXY'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    });
    afterEach(() => {
      names.forEach((name, index) => {
        if (before[index] === undefined) delete process.env[name];
        else process.env[name] = before[index];
      });
      proxy.close();
      proxy.closeAllConnections();
    });

    it('reaches an endpoint that only the proxy can reach', async () => {
      assert.equal(await textFrom({ baseUrl: 'http://models.example/v1' }), 'First.');
      assert.match(seen.join(), /models\.example/);
      assert.equal(await problemsOf('http://models.example/v1'), '');
    });

    it('asks this machine itself, and what NO_PROXY names', async () => {
      process.env['NO_PROXY'] = 'models.invalid';
      assert.equal(await textFrom(), 'First.');
      await assert.rejects(textFrom({ baseUrl: 'http://models.invalid/v1' }), /models\.invalid/);
      assert.deepEqual(seen, []);
    });
  });
});
