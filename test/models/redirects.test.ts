/** Servers that a run talks to, apart from requests to endpoints, redirect it to another one or answer without end. */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { Agent } from 'undici';
import { z } from 'zod';
import { sendJson } from '../../src/models/serving/adapters/send-json.ts';
import { isHealthy } from '../../src/models/serving/server-process.ts';
import { callApi } from '../../src/models/training/launchers/kubernetes-api.ts';
import { fetchText } from '../../src/platform/bounded-text.ts';
import { type PlainServer, startPlainServer } from '../support/plain-server.ts';

const INNER = 'inner-secret-4711';

describe('a server that redirects to another one', () => {
  let server: PlainServer;
  let other: PlainServer;
  let dispatcher: Agent;

  beforeEach(async () => {
    other = await startPlainServer(() => ({ body: { status: INNER } }));
    server = await startPlainServer(({ url }) => ({
      status: 307,
      headers: { location: `${other.origin}${url}` },
      body: INNER,
    }));
    dispatcher = new Agent();
  });
  afterEach(async () => {
    // Nothing has followed.
    assert.deepEqual(other.requests, []);
    await Promise.all([server.close(), other.close(), dispatcher.close()]);
  });

  it('does not count as healthy', async () => {
    const { hostname: host, port } = new URL(server.origin);
    const place = { host, port: Number(port), healthPath: '/health' };
    assert.equal(await isHealthy(place, 5), false);
    assert.equal(server.requests.length, 1);
  });

  it('may name another path of its own', async () => {
    server.answer = ({ url }) =>
      url.endsWith('/') ? { body: 'up' } : { status: 307, headers: { location: `${url}/` } };
    assert.equal((await fetchText(`${server.origin}/health`, {})).text, 'up');
    server.answer = ({ url }) => ({ status: 307, headers: { location: url } });
    assert.equal((await fetchText(`${server.origin}/health`, {})).status, 307);
  });

  it('gets no adapter there, and is not quoted', async () => {
    const access = { endpoint: { baseUrl: server.baseUrl, model: 'm' }, environment: {} };
    const answer = await sendJson('load_lora_adapter', {}, access, 60);
    assert.equal(answer.status, 307);
    assert.match(
      answer.refused('a request').message,
      /answers a request with 307 \(a text of 17 B, which is not quoted\)/,
    );
    server.answer = () => ({ status: 400, body: { error: { message: 'no such adapter' } } });
    const known = await sendJson('load_lora_adapter', {}, access, 60);
    assert.match(known.refused('a request').message, /with 400 no such adapter$/);
  });

  it('gets no token of Kubernetes there, and is not quoted', async () => {
    const connection = { server: server.origin, namespace: 'n', authorization: 'Bearer token', dispatcher };
    await assert.rejects(callApi(connection, '/apis', z.unknown()), (error: Error) => {
      assert.match(error.message, /answers 307 with 17 B that are no status of Kubernetes/);
      return !error.message.includes(INNER);
    });
    assert.equal(server.requests[0]?.headers.authorization, 'Bearer token');
  });
});

describe('a server that sends a bomb', () => {
  it('is read up to a limit', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    const server = await startPlainServer(() => ({ headers: { 'content-encoding': 'gzip' }, body: bomb }));
    await assert.rejects(fetchText(server.origin, {}), /more than 8\.0 MB/);
    const { hostname: host, port } = new URL(server.origin);
    assert.equal(await isHealthy({ host, port: Number(port), healthPath: '/' }, 5), false);
    await server.close();
  });
});
