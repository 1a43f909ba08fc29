import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import type { CompletionRequest } from '../../../src/models/inference/completion.ts';
import { AuthenticationFailed, EndpointUnavailable } from '../../../src/models/inference/errors.ts';
import { freePort } from '../../../src/platform/ports.ts';
import { parseWaitingRequests } from '../../../src/models/inference/server-queue-monitor.ts';
import {
  type ScriptedEndpoint,
  scriptedText,
  startScriptedEndpoint,
} from '../../support/scripted-endpoint.ts';

const portOf = ({ baseUrl }: ScriptedEndpoint) => Number(new URL(baseUrl).port);

describe('requests to endpoints that serve the same', function () {
  this.timeout(60_000);
  let a: ScriptedEndpoint;
  let b: ScriptedEndpoint;
  let client: InferenceClient;

  beforeEach(async () => {
    // Tests close these servers and start them again: other programs are given ports that they don't ask for.
    a = await startScriptedEndpoint({ port: await freePort() });
    b = await startScriptedEndpoint({ port: await freePort() });
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 8 },
      requestTimeoutSeconds: 60,
      retry: { attempts: 8, initialSeconds: 0.02, maximumSeconds: 0.1 },
      environment: { KEY_A: 'secret-a', KEY_B: 'secret-b' },
    });
  });
  afterEach(async () => {
    await Promise.all([a.close(), b.close()]);
    await client.close();
  });

  const both = () =>
    [
      { baseUrl: a.baseUrl, model: 'm', apiKeyEnv: 'KEY_A' },
      { baseUrl: b.baseUrl, model: 'm', apiKeyEnv: 'KEY_B' },
    ] as const;

  const messages: CompletionRequest['messages'] = [{ role: 'user', content: 'Which?' }];
  const ask = (seed: number, changes: Partial<CompletionRequest> = {}) =>
    client.complete({
      endpoints: both(),
      onUnavailable: 'wait',
      messages,
      sampling: { temperature: 1, topP: 1, maxTokens: 8 },
      samples: 1,
      seed,
      ...changes,
    });
  const askMany = async (count: number, changes: Partial<CompletionRequest> = {}) => {
    const answers = await Promise.all(Array.from({ length: count }, (_, seed) => ask(seed, changes)));
    return answers.map(({ choices }) => choices[0]?.text);
  };
  const texts = (count: number) =>
    Array.from({ length: count }, (_, seed) => scriptedText('m', messages, seed));
  const slowly = (endpoint: ScriptedEndpoint, afterMilliseconds: number) =>
    endpoint.script(() => ({ kind: 'answer', afterMilliseconds }));
  const untilDown = async () => {
    while (client.outage(both()) === undefined) await sleep(10);
  };

  it('are sent again to the endpoint that did not fail', async () => {
    a.script(() => ({ kind: 'status', status: 500 }));
    // The one that answers is the more loaded one, so that load alone would choose the other again.
    slowly(b, 300);
    await askMany(6);
    assert(a.requests.length > 0);
    const seeds = a.requests.map(({ body }) => body.seed);
    assert.equal(new Set(seeds).size, seeds.length, `sent to the failing endpoint: ${seeds.join(', ')}`);
  });

  it('are spread by the load of each endpoint, each with its own key', async () => {
    // As slow as it takes the other one to answer most requests.
    const { promise: most, resolve } = Promise.withResolvers<void>();
    a.script(({ index }) => {
      if (index === 59) resolve();
      return { kind: 'answer', afterMilliseconds: 20 };
    });
    b.script(() => ({ kind: 'answer', heldUntil: most }));
    assert.deepEqual(await askMany(80), texts(80));
    assert.equal(a.requests.length + b.requests.length, 80);
    assert(a.requests.length > 1.5 * b.requests.length, `${a.requests.length} and ${b.requests.length}`);
    assert(b.requests.length >= 8);
    assert(a.requests.every(({ headers }) => headers.authorization === 'Bearer secret-a'));
    assert(b.requests.every(({ headers }) => headers.authorization === 'Bearer secret-b'));
  });

  it('go to the other endpoint when one is killed, and to both when it is back', async () => {
    slowly(a, 20);
    slowly(b, 20);
    const answers = askMany(200);
    while (b.requests.length < 20) await sleep(5);
    await b.close();
    assert.deepEqual(await answers, texts(200));
    assert.equal(client.statistics()[b.baseUrl]?.breaker, 'open');
    assert.equal(client.outage(both()), undefined, 'nobody waits');
    b = await startScriptedEndpoint({ port: portOf(b) });
    while (client.statistics()[b.baseUrl]?.breaker !== 'closed') await askMany(10);
    assert(b.requests.length > 0);
  });

  it('wait while all are down, and are answered when one is back', async () => {
    await Promise.all([a.close(), b.close()]);
    const answers = askMany(20);
    await untilDown();
    const silence = client.outage(both());
    assert(silence !== undefined && silence.text.includes(a.baseUrl) && silence.text.includes(b.baseUrl));
    assert.match(silence.text, /ECONNREFUSED/);
    b = await startScriptedEndpoint({ port: portOf(b) });
    assert.deepEqual(await answers, texts(20));
    assert.equal(client.outage(both()), undefined);
  });

  it("end with the signal's reason while they wait", async () => {
    await Promise.all([a.close(), b.close()]);
    const stop = new AbortController();
    const asked = Promise.allSettled(
      Array.from({ length: 5 }, (_, seed) => ask(seed, { signal: stop.signal })),
    );
    await untilDown();
    const reason = new Error('cancelled');
    stop.abort(reason);
    for (const each of await asked) assert.equal(each.status === 'rejected' && each.reason, reason);
    assert.equal(client.statistics()[a.baseUrl]?.waiting, 0);
    assert.equal(client.statistics()[a.baseUrl]?.inFlight, 0);
  });

  it('fail at once if one endpoint refuses the key', async () => {
    b.script(() => ({ kind: 'status', status: 401, error: { message: 'unknown key' } }));
    await assert.rejects(
      askMany(20),
      (error) => error instanceof AuthenticationFailed && /KEY_B/.test(error.message),
    );
    const down = createInferenceClient({
      concurrency: { minimum: 1, maximum: 8 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 8, initialSeconds: 0.02, maximumSeconds: 0.1 },
      environment: { KEY_A: 'secret-a' },
    });
    const request = { endpoints: both(), onUnavailable: 'wait', messages, samples: 1 } as const;
    await assert.rejects(
      down.complete({ ...request, sampling: { temperature: 1, topP: 1, maxTokens: 8 } }),
      /KEY_B.* is not set/,
    );
    await down.close();
  });

  it('to a server of ours that is down fail after their attempts, so that it is started again', async () => {
    await a.close();
    const endpoints = [{ baseUrl: a.baseUrl, model: 'm' }] as const;
    await assert.rejects(
      askMany(20, { endpoints, onUnavailable: 'fail' }),
      (error) => error instanceof EndpointUnavailable && error.attempts === 8,
    );
  });

  it('go to the other endpoint while one asks for a pause', async () => {
    a.script(() => ({ kind: 'status', status: 429, headers: { 'retry-after': '900' } }));
    slowly(b, 5);
    assert.deepEqual(await askMany(40), texts(40));
    const refused = a.requests.length;
    assert(refused <= 8, String(refused));
    await askMany(40);
    assert.equal(a.requests.length, refused);
  });

  it('fail together if the only endpoint asks for a long pause, and work again after it', async () => {
    const endpoints = [{ baseUrl: a.baseUrl, model: 'm' }] as const;
    a.script(() => ({ kind: 'status', status: 429, headers: { 'retry-after': '900' } }));
    const began = performance.now();
    const ends = await Promise.allSettled(Array.from({ length: 200 }, (_, seed) => ask(seed, { endpoints })));
    for (const each of ends)
      assert(
        each.status === 'rejected' &&
          each.reason instanceof EndpointUnavailable &&
          each.reason.retryAfterSeconds === 900,
      );
    assert(performance.now() - began < 30_000);
    assert(a.requests.length <= 20, String(a.requests.length));
    a.script(() => ({ kind: 'answer' }));
    await ask(0, { endpoints });
  });

  it('become fewer at an endpoint that times out, and more again when it answers', async () => {
    const endpoints = [{ baseUrl: a.baseUrl, model: 'm' }] as const;
    const limit = () => client.statistics()[a.baseUrl]?.concurrencyLimit ?? 0;
    // Requests that are in flight with the failing one are answered after the look at the limit.
    const { promise: looked, resolve } = Promise.withResolvers<void>();
    a.script(({ index }) =>
      index === 20
        ? { kind: 'status', status: 503 }
        : { kind: 'answer', afterMilliseconds: 5, heldUntil: index > 12 ? looked : undefined },
    );
    const answers = askMany(40, { endpoints });
    while ((client.statistics()[a.baseUrl]?.retries['server-error'] ?? 0) === 0) await sleep(1);
    assert(limit() <= 6, String(limit()));
    resolve();
    await answers;
    // The limit rises only while it is reached, which the rate limit may prevent at first.
    while (limit() < 8) await askMany(60, { endpoints });
  });

  it('are sent no sooner than Retry-After says, first attempts included', async () => {
    const endpoints = [{ baseUrl: a.baseUrl, model: 'm' }] as const;
    const arrivals: number[] = [];
    a.script(({ index }) => {
      arrivals.push(performance.now());
      return index === 0
        ? { kind: 'status', status: 429, headers: { 'retry-after': '2' } }
        : { kind: 'answer' };
    });
    const first = ask(0, { endpoints });
    while (client.statistics()[a.baseUrl]?.retries['rate-limit'] !== 1) await sleep(1);
    await ask(1, { endpoints });
    await first;
    const [refusedAt = NaN, ...later] = arrivals;
    for (const at of later) assert(at - refusedAt > 1900, `${at - refusedAt} ms`);
  });
});

describe("a server's queue", () => {
  it('is the sum over all engines in vLLM’s metrics', () => {
    const text = [
      '# HELP vllm:num_requests_waiting Number of requests waiting to be processed.',
      '# TYPE vllm:num_requests_waiting gauge',
      'vllm:num_requests_waiting{engine="0",model_name="m"} 3.0',
      'vllm:num_requests_waiting{engine="1",model_name="m"} 4.0',
      'vllm:num_requests_running{engine="0",model_name="m"} 100.0',
    ].join('\n');
    assert.equal(parseWaitingRequests(text), 7);
    assert.equal(parseWaitingRequests('vllm:num_requests_waiting 2\n'), 2);
    assert.equal(parseWaitingRequests('process_cpu_seconds_total 1\n'), undefined);
  });

  it('is checked while requests are in flight and reduces them; a server without the metric is checked once', async () => {
    let looks = 0;
    const { promise: reduced, resolve } = Promise.withResolvers<void>();
    const { server, baseUrl } = await startQueueing(() => looks++, reduced);
    const client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 64 },
      requestTimeoutSeconds: 60,
      retry: { attempts: 1, initialSeconds: 1, maximumSeconds: 1 },
      environment: {},
    });
    const asked = Array.from({ length: 64 }, (_, seed) =>
      client.complete({
        endpoints: [{ baseUrl, model: 'm' }],
        messages: [{ role: 'user', content: 'Which?' }],
        sampling: { temperature: 1, topP: 1, maxTokens: 8 },
        samples: 1,
        seed,
      }),
    );
    while (looks === 0 || client.statistics()[baseUrl]?.concurrencyLimit === 64) await sleep(50);
    assert(client.statistics()[baseUrl]!.concurrencyLimit < 60);
    resolve();
    await Promise.all(asked);
    await client.close();
    server.close();
    server.closeAllConnections();
  });
});

/** Answers when it is told to, and reports that 50 requests wait. */
async function startQueueing(looked: () => void, answering: Promise<void>) {
  const { createServer } = await import('node:http');
  const server = createServer((request, response) => {
    if (request.url === '/metrics') {
      looked();
      response.end('vllm:num_requests_waiting{engine="0"} 50.0\n');
      return;
    }
    request.resume();
    void answering.then(() => {
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ choices: [{ index: 0, message: { content: 'A' }, finish_reason: 'stop' }] }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { server, baseUrl: `http://127.0.0.1:${port}/v1` };
}
