import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import type { CompletionRequest } from '../../../src/models/inference/completion.ts';
import {
  AuthenticationFailed,
  EndpointUnavailable,
  InferenceError,
  ModelNotFound,
  RequestRejected,
} from '../../../src/models/inference/errors.ts';
import {
  type Behaviour,
  type ScriptedEndpoint,
  scriptedText,
  startScriptedEndpoint,
} from '../../support/scripted-endpoint.ts';
import { instantWaits } from '../../support/simulated-time.ts';

const messages: CompletionRequest['messages'] = [{ role: 'user', content: 'Which answer is better?' }];
const key = 'sk-secret/with+signs==';

describe('the inference client', () => {
  let endpoint: ScriptedEndpoint;
  let client: InferenceClient;
  let waits: number[];

  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ models: ['judge-0', 'judge-1'] });
    waits = [];
    client = clientWith({});
  });
  afterEach(async () => {
    await endpoint.close();
    await client.close();
  });

  function clientWith(changed: Partial<Parameters<typeof createInferenceClient>[0]>): InferenceClient {
    return createInferenceClient({
      concurrency: { minimum: 1, maximum: 4 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 3, initialSeconds: 1, maximumSeconds: 8 },
      environment: { JUDGE_KEY: key },
      ...instantWaits(waits),
      random: () => 0.5,
      ...changed,
    });
  }

  function request(changed: Partial<CompletionRequest> = {}): CompletionRequest {
    return {
      endpoints: [{ baseUrl: endpoint.baseUrl, model: 'judge-0', apiKeyEnv: 'JUDGE_KEY' }],
      messages,
      sampling: { temperature: 0.7, topP: 0.9, maxTokens: 64 },
      samples: 1,
      seed: 100,
      ...changed,
    };
  }

  /** Behaves like this for the first requests, and answers the later ones. */
  function first(...behaviours: Behaviour[]): void {
    endpoint.script(({ index }) => behaviours[index] ?? { kind: 'answer' });
  }

  async function failureOf(promise: Promise<unknown>): Promise<InferenceError> {
    try {
      await promise;
    } catch (error) {
      assert(error instanceof InferenceError, inspect(error));
      return error;
    }
    return assert.fail('it did not fail');
  }

  const text = (seed: number): string => scriptedText('judge-0', messages, seed);

  it('sends the request and returns the samples in the order of their seeds, with the tokens used', async () => {
    const completion = await client.complete(request({ samples: 3 }));
    assert.deepEqual(
      completion.choices,
      [100, 101, 102].map((seed) => ({ text: text(seed), finishReason: 'stop' })),
    );
    assert.equal(completion.attempts, 1);
    assert.equal(completion.usage.completionTokens, 3);
    const { headers, body } = endpoint.requests[0]!;
    assert.equal(headers.authorization, `Bearer ${key}`);
    assert.deepEqual(body, {
      model: 'judge-0',
      messages,
      temperature: 0.7,
      top_p: 0.9,
      max_tokens: 64,
      n: 3,
      seed: 100,
      stream: false,
    });
  });

  it('sends the key "none" if the endpoint has no key', async () => {
    await client.complete(request({ endpoints: [{ baseUrl: endpoint.baseUrl, model: 'judge-0' }] }));
    assert.equal(endpoint.requests[0]!.headers.authorization, 'Bearer none');
  });

  it('requests the samples that a server without n leaves out one by one, with consecutive seeds', async () => {
    endpoint.script(() => ({ kind: 'answer', choices: 1 }));
    const completion = await client.complete(request({ samples: 4 }));
    assert.deepEqual(
      completion.choices.map((choice) => choice.text),
      [100, 101, 102, 103].map(text),
    );
    assert.equal(completion.attempts, 4);
    assert.equal(completion.requests, 4);
    assert.equal(completion.usage.completionTokens, 4);
  });

  it('requests samples one by one if a server refuses n', async () => {
    endpoint.script(({ body }) =>
      body.n === undefined
        ? { kind: 'answer' }
        : { kind: 'status', status: 400, error: { message: 'only 1', param: 'n' } },
    );
    const completion = await client.complete(request({ samples: 2 }));
    assert.deepEqual(
      completion.choices.map((choice) => choice.text),
      [100, 101].map(text),
    );
  });

  it('accepts empty texts and truncated samples', async () => {
    first({ kind: 'answer', texts: ['', 'half a sent'], finishReason: 'length' });
    const completion = await client.complete(request({ samples: 2 }));
    assert.deepEqual(
      completion.choices.map((choice) => choice.text),
      ['', 'half a sent'],
    );
    assert.deepEqual(
      completion.choices.map((choice) => choice.finishReason),
      ['length', 'length'],
    );
    assert.equal(endpoint.requests.length, 1);
  });

  it('keeps as many requests in flight at one endpoint as allowed, and no more', async () => {
    // The first answers wait until as many requests are there.
    const { promise: full, resolve } = Promise.withResolvers<void>();
    endpoint.script(({ index }) => {
      if (index === 3) resolve();
      return { kind: 'answer', heldUntil: full, afterMilliseconds: 5 };
    });
    await Promise.all(Array.from({ length: 40 }, (_, seed) => client.complete(request({ seed }))));
    assert.equal(endpoint.mostInFlight(), 4);
  });

  const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const passing: [string, Behaviour][] = [
    ['408', { kind: 'status', status: 408 }],
    ['409', { kind: 'status', status: 409 }],
    ['429', { kind: 'status', status: 429 }],
    ['500', { kind: 'status', status: 500 }],
    ['502 with HTML', { kind: 'status', status: 502, body: '<html>Bad Gateway</html>' }],
    ['503', { kind: 'status', status: 503 }],
    ['a reset connection', { kind: 'reset' }],
    ['an answer cut off by the connection', { kind: 'truncated' }],
    ['half a JSON document', { kind: 'raw', body: '{"choices": [{"mess' }],
    ['HTML instead of JSON', { kind: 'raw', body: '<html>Please log in</html>', contentType: 'text/html' }],
    ['an empty body', { kind: 'raw', body: '' }],
    ['JSON of another shape', { kind: 'raw', body: '{"result": "yes"}' }],
    ['JSON of many levels', { kind: 'raw', body: `{"choices":${DEEP}}` }],
    ['503 with JSON of many levels', { kind: 'status', status: 503, body: `{"error":${DEEP}}` }],
    ['no choices', { kind: 'raw', body: '{"choices": []}' }],
  ];
  for (const [name, behaviour] of passing) {
    it(`retries after ${name}`, async () => {
      first(behaviour, behaviour);
      const completion = await client.complete(request());
      assert.equal(completion.choices[0]!.text, text(100));
      assert.equal(completion.attempts, 3);
      assert.equal(completion.requests, 1);
      assert.deepEqual(waits, [0.75, 1.5]);
    });
    it(`reports an endpoint as unavailable if all attempts end with ${name}`, async () => {
      endpoint.script(() => behaviour);
      const error = await failureOf(client.complete(request()));
      assert(error instanceof EndpointUnavailable, inspect(error));
      assert.equal(error.attempts, 3);
      assert.equal(error.endpoint, endpoint.baseUrl);
      // Perhaps a 500 without a word refuses a parameter.
      assert.equal(endpoint.requests.length, name === '500' ? 5 : 3);
      assert.equal(error.status, behaviour.kind === 'status' ? behaviour.status : undefined);
    });
  }

  it('calls admit before each request, with its reason', async () => {
    const asked: string[] = [];
    const admit = (sending: string) => {
      assert.equal(endpoint.requests.length, asked.push(sending) - 1);
      return Promise.resolve();
    };
    endpoint.script(({ index }) =>
      index === 1 || index === 3 ? { kind: 'answer', choices: 1 } : { kind: 'status', status: 500 },
    );
    await client.complete(request({ samples: 2, admit }));
    assert.deepEqual(asked, ['first', 'again', 'missing-sample', 'again']);
  });

  it('doesn’t retry a request that admit refuses', async () => {
    endpoint.script(() => ({ kind: 'status', status: 429 }));
    const admit = async (sending: string) => {
      if (sending === 'again' && endpoint.requests.length === 5) throw new Error('enough');
    };
    await assert.rejects(client.complete(request({ onUnavailable: 'wait', admit })), /^Error: enough$/);
    assert.equal(endpoint.requests.length, 5);
    assert.equal(client.statistics()[endpoint.baseUrl]!.inFlight, 0);
  });

  const slow: Behaviour[] = [{ kind: 'hang' }, { kind: 'trickle' }, { kind: 'trickle', status: 500 }];
  for (const behaviour of slow) {
    it(`times out an attempt that never ends (${JSON.stringify(behaviour)}) and retries`, async () => {
      await client.close();
      // On a busy machine an answer may come too late as well, but not again and again.
      client = clientWith({
        requestTimeoutSeconds: 0.4,
        retry: { attempts: 50, initialSeconds: 1, maximumSeconds: 8 },
      });
      first(behaviour);
      const { attempts } = await client.complete(request());
      assert(attempts >= 2);
      assert.deepEqual(client.statistics()[endpoint.baseUrl]!.retries, { timeout: attempts - 1 });
    });
  }

  it('reports an unreachable endpoint with its address and the system error', async () => {
    await endpoint.close();
    const error = await failureOf(client.complete(request()));
    assert(error instanceof EndpointUnavailable);
    assert.match(error.message, /ECONNREFUSED/);
    assert(error.message.includes(endpoint.baseUrl));
  });

  it('waits at least as long as Retry-After says, in seconds, milliseconds or as a date', async () => {
    const inTwoMinutes = new Date(Date.now() + 120_000).toUTCString();
    first(
      { kind: 'status', status: 429, headers: { 'retry-after': '20' } },
      { kind: 'status', status: 503, headers: { 'retry-after': inTwoMinutes } },
    );
    await client.complete(request());
    assert.equal(waits[0], 20.5);
    assert(waits[1]! > 110 && waits[1]! < 122, String(waits[1]));
    endpoint.script(({ index }) =>
      index === 3
        ? { kind: 'status', status: 429, headers: { 'retry-after-ms': '1500' } }
        : { kind: 'answer' },
    );
    await client.complete(request());
    assert.equal(waits[2], 2);
  });

  it('fails at once, with the requested delay, if Retry-After is longer than a request may wait', async () => {
    first({ kind: 'status', status: 429, headers: { 'retry-after': '7200' } });
    const error = await failureOf(client.complete(request()));
    assert(error instanceof EndpointUnavailable);
    assert.equal(error.retryAfterSeconds, 7200);
    assert.deepEqual(waits, []);
  });

  for (const status of [401, 403]) {
    it(`names the variable, never the key, after ${status}, even if the endpoint echoes the header`, async () => {
      endpoint.script(({ headers }) => ({
        kind: 'status',
        status,
        error: { message: `bad header ${headers.authorization}`, sent: headers },
        headers: { 'x-echo': String(headers.authorization) },
      }));
      const error = await failureOf(client.complete(request()));
      assert(error instanceof AuthenticationFailed);
      assert.match(error.message, /JUDGE_KEY/);
      assert.equal(error.status, status);
      assert.equal(error.requestId, 'request-0');
      // A harmless request tells whether 403 is about the key.
      assert.equal(endpoint.requests.length, status === 403 ? 2 : 1);
      assert(!inspect(error, { depth: 20, showHidden: true }).includes(key));
    });
  }

  const echoes: Behaviour[] = [
    { kind: 'status', status: 500, error: { message: `oops Bearer ${key}` } },
    { kind: 'status', status: 400, error: { message: `oops Bearer ${key}` } },
    { kind: 'status', status: 404, error: { message: `oops Bearer ${key}` } },
    { kind: 'raw', body: `{"you": "${key}"}` },
    { kind: 'raw', body: `Bearer ${key}`, contentType: 'text/plain' },
    { kind: 'raw', body: key },
    { kind: 'status', status: 500, error: { message: `oops ?key=${encodeURIComponent(key)}` } },
  ];
  for (const behaviour of echoes) {
    it(`keeps the key out of the error when it is echoed by ${JSON.stringify(behaviour).slice(0, 40)}`, async () => {
      endpoint.script(() => behaviour);
      const error = await failureOf(client.complete(request()));
      assert(!inspect(error, { depth: 20, showHidden: true }).includes(key.slice(0, 8)), inspect(error));
    });
  }

  it('keeps the key out of the error when it is no header value', async () => {
    await client.close();
    client = clientWith({ environment: { JUDGE_KEY: `${key}\nsecond line` } });
    const error = await failureOf(client.complete(request()));
    assert(error instanceof AuthenticationFailed);
    assert(!inspect(error, { depth: 20, showHidden: true }).includes(key));
  });

  it('rejects before any request when the variable of the key is not set', async () => {
    await client.close();
    client = clientWith({ environment: {} });
    const error = await failureOf(client.complete(request()));
    assert(error instanceof AuthenticationFailed);
    assert.match(error.message, /JUDGE_KEY.* is not set/);
    assert.equal(endpoint.requests.length, 0);
  });

  it('names the models that the endpoint has after a wrong name', async () => {
    first({ kind: 'status', status: 404, error: { message: 'no such model' } });
    const misspelt = { baseUrl: endpoint.baseUrl, model: 'judge-9' };
    const error = await failureOf(client.complete(request({ endpoints: [misspelt] })));
    assert(error instanceof ModelNotFound);
    assert.deepEqual(error.available, ['judge-0', 'judge-1']);
    assert.match(error.message, /judge-0, judge-1/);
    assert.equal(endpoint.requests.length, 1);
  });

  it('advises to check the base path if nothing is found there', async () => {
    const wrongPath = { baseUrl: endpoint.baseUrl.replace('/v1', '/v2'), model: 'judge-0' };
    const error = await failureOf(client.complete(request({ endpoints: [wrongPath] })));
    assert(error instanceof ModelNotFound);
    assert.equal(error.available, undefined);
    assert.match(error.message, /base path/);
  });

  const refusals: [string, Behaviour & { kind: 'status' }][] = [
    [
      'context-length',
      { kind: 'status', status: 400, error: { code: 'context_length_exceeded', message: 'too long' } },
    ],
    [
      'context-length',
      {
        kind: 'status',
        status: 400,
        error: { message: "This model's maximum context length is 4096 tokens." },
      },
    ],
    ['context-length', { kind: 'status', status: 413 }],
    [
      'content-filter',
      { kind: 'status', status: 400, error: { code: 'content_filter', message: 'filtered' } },
    ],
    ['bad-request', { kind: 'status', status: 400, error: { message: 'roles must alternate' } }],
    ['bad-request', { kind: 'status', status: 422 }],
  ];
  for (const [reason, behaviour] of refusals) {
    it(`refuses the record as ${reason} after ${JSON.stringify(behaviour.error ?? behaviour.status)}`, async () => {
      endpoint.script(() => behaviour);
      const error = await failureOf(client.complete(request({ samples: 2 })));
      assert(error instanceof RequestRejected);
      assert.equal(error.reason, reason);
      // Perhaps a refusal without a word is one of a parameter.
      assert.equal(endpoint.requests.length, reason === 'bad-request' ? 3 : 1);
    });
  }

  it('refuses the record as content-filter when every sample of an answer was filtered', async () => {
    first({ kind: 'answer', texts: ['', ''], finishReason: 'content_filter' });
    const error = await failureOf(client.complete(request({ samples: 2 })));
    assert(error instanceof RequestRejected);
    assert.equal(error.reason, 'content-filter');
  });

  it("throws the signal's reason, whether the request is in flight or waits in the queue", async () => {
    endpoint.script(() => ({ kind: 'hang' }));
    const controller = new AbortController();
    const underWay = Array.from({ length: 6 }, () => client.complete(request({ signal: controller.signal })));
    const settled = Promise.allSettled(underWay);
    while (endpoint.requests.length < 4) await new Promise(setImmediate);
    assert.equal(client.statistics()[endpoint.baseUrl]!.waiting, 2);
    const reason = new Error('cancelled');
    controller.abort(reason);
    for (const result of await settled) assert.equal(result.status === 'rejected' && result.reason, reason);
    while (client.statistics()[endpoint.baseUrl]!.inFlight > 0) await new Promise(setImmediate);
    assert.equal(client.statistics()[endpoint.baseUrl]!.attempts, 4);
  });

  it('ends a wait between attempts when the signal aborts', async () => {
    await client.close();
    const controller = new AbortController();
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 1 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 5, initialSeconds: 3600, maximumSeconds: 3600 },
      environment: { JUDGE_KEY: key },
    });
    endpoint.script(() => ({ kind: 'status', status: 500 }));
    const failed = assert.rejects(client.complete(request({ signal: controller.signal })), /cancelled/);
    while (client.statistics()[endpoint.baseUrl]?.retries['server-error'] !== 1)
      await new Promise(setImmediate);
    controller.abort(new Error('cancelled'));
    await failed;
  });

  it('counts attempts, retries by reason, failures and tokens for each endpoint', async () => {
    first({ kind: 'status', status: 429 }, { kind: 'answer' }, { kind: 'status', status: 401 });
    await client.complete(request());
    await failureOf(client.complete(request()));
    const { promptTokens, rateLimit: rate, ...counts } = client.statistics()[endpoint.baseUrl]!;
    assert(promptTokens > 0);
    assert(rate !== undefined && rate > 5, 'it was refused once');
    assert.deepEqual(counts, {
      inFlight: 0,
      waiting: 0,
      concurrencyLimit: 4,
      breaker: 'closed',
      attempts: 3,
      retries: { 'rate-limit': 1 },
      failures: 1,
      completionTokens: 1,
    });
  });
});
