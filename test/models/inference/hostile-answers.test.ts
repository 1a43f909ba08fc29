/** Answers of servers that are no endpoint, or a hostile one: inner pages, endless bodies, compressed bombs. */
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { checkEndpoints } from '../../../src/models/inference/check-endpoints.ts';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import { createConnections } from '../../../src/models/inference/connections.ts';
import { type PlainAnswer, type PlainServer, startPlainServer } from '../../support/plain-server.ts';
import { instantWaits } from '../../support/simulated-time.ts';

const INNER = 'inner-secret-4711';
const environment = { KEY: 'sk-secret' };

describe('an answer that no endpoint would give', () => {
  let client: InferenceClient;
  let unquoted: string[];
  const closing: (() => Promise<void>)[] = [];

  beforeEach(() => {
    unquoted = [];
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 1 },
      requestTimeoutSeconds: 20,
      retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
      environment,
      onUnquoted: (line) => unquoted.push(line),
      ...instantWaits([]),
    });
  });
  afterEach(async () => {
    await client.close();
    await Promise.all(closing.splice(0).map((close) => close()));
  });

  function complete(baseUrl: string) {
    return client.complete({
      endpoints: [{ baseUrl, model: 'm', apiKeyEnv: 'KEY' }],
      messages: [{ role: 'user', content: 'Which one?' }],
      sampling: { temperature: 0, topP: 1, maxTokens: 64 },
      samples: 1,
    });
  }

  async function failureOf(baseUrl: string): Promise<string> {
    const error: unknown = await complete(baseUrl).then(
      () => assert.fail('was answered'),
      (reason) => reason,
    );
    return inspect(error, { depth: 20, showHidden: true });
  }

  async function plainServer(answer: PlainAnswer): Promise<PlainServer> {
    const server = await startPlainServer(() => answer);
    closing.push(() => server.close());
    return server;
  }

  /** A server that writes the parts until the connection ends; returns how much it could write. */
  async function endlessServer(headers: Record<string, string>, part: Buffer) {
    let sent = 0;
    const listener: RequestListener = (request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/json', ...headers });
      const write = () => {
        while (!response.destroyed && sent < 400_000_000) {
          sent += part.length;
          if (!response.write(part)) return void response.once('drain', write);
        }
        response.end();
      };
      write();
    };
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { origin, baseUrl: `${origin}/v1`, sent: () => sent };
  }

  const page = `<!doctype html><title>${INNER}</title>`;
  const pages: Record<string, [PlainAnswer, RegExp]> = {
    'an inner page': [
      { headers: { 'content-type': 'text/html; charset=utf-8' }, body: page },
      /not JSON: an HTML page of 47 B \(text\/html\), which is not quoted/,
    ],
    'a refusal of an inner server': [
      { status: 403, headers: { 'content-type': 'text/html' }, body: page },
      /403 \(an HTML page of 47 B \(text\/html\), which is not quoted\)/,
    ],
    'an inner document': [
      { body: { token: INNER } },
      /not a chat completion: JSON of 29 B, which is not quoted/,
    ],
    'an error in a shape of its own': [
      { status: 500, body: { token: INNER, code: 7 } },
      /500 \(JSON of 38 B \(application\/json\), which is not quoted\)/,
    ],
    'keys as text': [
      { headers: { 'content-type': 'text/plain\u00a0' + INNER }, body: `AccessKeyId ${INNER}` },
      /not JSON: a text of 29 B/,
    ],
    'a redirect with words': [
      { status: 302, headers: { location: `http://127.0.0.1:9/login?state=${INNER}` }, body: INNER },
      /302, which redirects to http:\/\/127\.0\.0\.1:9\/login\. /,
    ],
    'a choice without a message': [
      { body: { choices: [{ [INNER]: INNER }] } },
      /a choice has no message: JSON/,
    ],
    'an answer that was broken off': [
      { body: { choices: [{ finish_reason: 'error', message: { content: INNER } }] } },
      /the endpoint broke off: JSON/,
    ],
  };
  for (const [name, [answer, expected]] of Object.entries(pages)) {
    it(`is described and not quoted: ${name}`, async () => {
      const { baseUrl } = await plainServer(answer);
      const failure = await failureOf(baseUrl);
      assert.match(failure, expected);
      assert(!failure.includes(INNER), failure);
      for (const expectModel of [true, false]) {
        const endpoint = { baseUrl, model: 'm', apiKeyEnv: 'KEY' };
        const problems = await checkEndpoints([endpoint], { environment, timeoutSeconds: 10, expectModel });
        assert(!problems.join().includes(INNER), problems.join());
      }
    });
  }

  it('goes to the log in its own words, without the key', async () => {
    const { baseUrl } = await plainServer({ status: 502, body: `${page} Bearer sk-secret` });
    await failureOf(baseUrl);
    assert.equal(unquoted.length, 1);
    assert.match(unquoted[0]!, new RegExp(`502 .* It says: .*${INNER}.* Bearer \\[key\\]$`));
  });

  it('is quoted if it is an error in a known shape, in one bounded line', async () => {
    for (const body of [
      { error: { message: `no room\n for ${'x'.repeat(5000)}` } },
      { object: 'error', message: 'no room for' },
      { detail: 'no room for' },
      { errors: [{ message: 'no room for' }] },
    ]) {
      const { baseUrl } = await plainServer({ status: 503, body });
      const failure = await failureOf(baseUrl);
      assert.match(failure, /503 no room for/);
      assert(failure.length < 4000, failure);
    }
  });

  const zeros = Buffer.alloc(40_000_000, ' ');
  const bombs: Record<string, () => [Record<string, string>, Buffer]> = {
    gzip: () => [{ 'content-encoding': 'gzip' }, gzipSync(zeros)],
    brotli: () => [
      { 'content-encoding': 'br' },
      brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
    ],
  };
  for (const [name, make] of Object.entries(bombs)) {
    it(`is read up to a limit if it is a bomb compressed by ${name}`, async () => {
      const [headers, body] = make();
      assert(body.length < 1_000_000);
      const { baseUrl } = await plainServer({ headers, body });
      assert.match(await failureOf(baseUrl), /the answer is too large: it has more than 32 MB/);
    });
  }

  it('is read up to a limit if it does not end, in requests, lists of models and pages of metrics', async () => {
    const part = Buffer.alloc(1_000_000, ' ');
    for (const headers of [{}, { 'content-length': '300000000' }]) {
      const endless = await endlessServer(headers, part);
      assert.match(await failureOf(endless.baseUrl), /the answer is too large: it has more than 32 MB/);
      assert(endless.sent() < 60_000_000, `${endless.sent()}`);
    }
    const list = await endlessServer({}, part);
    const endpoint = { baseUrl: list.baseUrl, model: 'm' };
    const problems = await checkEndpoints([endpoint], {
      environment,
      timeoutSeconds: 20,
      expectModel: false,
    });
    assert.match(problems.join(), /the answer is too large: it has more than 8\.0 MB/);
    const metrics = await endlessServer({}, part);
    const connections = createConnections(1);
    await assert.rejects(
      connections.fetchPage(new URL(metrics.origin), AbortSignal.timeout(20_000)),
      /more than 8\.0 MB/,
    );
    await connections.close();
    for (const { sent } of [list, metrics]) assert(sent() < 40_000_000, `${sent()}`);
  });
});
