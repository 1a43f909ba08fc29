import assert from 'node:assert/strict';
import { checkEndpoints } from '../../../src/models/inference/check-endpoints.ts';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import { type Clock, realClock } from '../../../src/models/inference/clock.ts';
import type { CompletionRequest } from '../../../src/models/inference/completion.ts';
import {
  AuthenticationFailed,
  CreditExhausted,
  EndpointUnavailable,
  RequestRejected,
} from '../../../src/models/inference/errors.ts';
import {
  chatCompletion,
  type PlainAnswer,
  type PlainServer,
  startPlainServer,
} from '../../support/plain-server.ts';

const good: PlainAnswer = { body: chatCompletion('First.') };
const refusal = (status: number, error: object): PlainAnswer => ({ status, body: { error } });

describe('requests that an endpoint refuses for the key, the account or the prompt', () => {
  let server: PlainServer;
  let client: InferenceClient;
  /** Ten times faster time, because a client without credit waits for seconds. */
  const clock: Clock = {
    now: () => 10 * realClock.now(),
    after: (seconds, run) => realClock.after(seconds / 10, run),
  };

  beforeEach(async () => {
    server = await startPlainServer(() => good);
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 4 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 3, initialSeconds: 0, maximumSeconds: 0 },
      environment: { KEY: 'sk-secret' },
      clock,
    });
  });
  afterEach(async () => {
    await server.close();
    await client.close();
  });

  function complete(content: string, others: Partial<CompletionRequest> = {}) {
    return client.complete({
      endpoints: [{ baseUrl: server.baseUrl, model: 'm', apiKeyEnv: 'KEY' }],
      messages: [{ role: 'user', content }],
      sampling: { temperature: 0, topP: 1, maxTokens: 64 },
      samples: 1,
      ...others,
    });
  }

  const forPrompts: Record<string, PlainAnswer> = {
    'a gateway with moderation': refusal(403, {
      code: 403,
      message: 'The input was flagged',
      metadata: { reasons: ['violence'] },
    }),
    'a firewall': { status: 403, headers: { 'content-type': 'text/html' }, body: '<html>Blocked</html>' },
    'an empty 403': { status: 403 },
    'a status for legal reasons': { status: 451, body: 'unavailable' },
  };
  for (const [name, refused] of Object.entries(forPrompts)) {
    it(`loses only the record whose prompt ${name} refuses`, async () => {
      server.answer = ({ body }) => (JSON.stringify(body).includes('poison') ? refused : good);
      for (const content of ['poison?', 'an apple?', 'more poison?']) {
        if (!content.includes('poison')) await complete(content);
        else
          await assert.rejects(complete(content), (error) => {
            assert(error instanceof RequestRejected);
            assert.equal(error.reason, 'content-filter');
            return true;
          });
      }
    });
  }

  it('takes a 403 for the key if a harmless prompt is refused as well', async () => {
    let hasKey = true;
    server.answer = () =>
      hasKey ? good : refusal(403, { message: 'your account violates our content policy' });
    await complete('an apple?');
    hasKey = false;
    await assert.rejects(complete('a pear?'), (error) => {
      assert(error instanceof AuthenticationFailed);
      assert.match(error.message, /KEY/);
      return true;
    });
  });

  it('asks again if nobody can tell what a 403 is about', async () => {
    server.answer = ({ body }) => {
      if (JSON.stringify(body).includes('Hello')) return { status: 503 };
      return server.requests.length > 4 ? good : { status: 403 };
    };
    assert.equal((await complete('an apple?')).choices[0]!.text, 'First.');
  });

  it('takes a 403 that speaks of a rate for a limit of the rate', async () => {
    server.answer = () =>
      server.requests.length === 1 ? refusal(403, { message: 'rate limit exceeded' }) : good;
    assert.equal((await complete('an apple?')).attempts, 2);
  });

  const forAccounts: Record<string, PlainAnswer> = {
    '402': refusal(402, { code: 402, message: 'Insufficient credits. Add more.' }),
    '402 without a body': { status: 402 },
    'insufficient_quota with 429': refusal(429, {
      message: 'You exceeded your current quota, please check your plan and billing details.',
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    }),
    'a low balance with 400': refusal(400, {
      type: 'invalid_request_error',
      message: 'Your credit balance is too low to access the API.',
    }),
    'Arrearage with 400': { status: 400, body: { code: 'Arrearage', message: 'Access denied.' } },
    'a limit of spending with 403': refusal(403, {
      message: 'Your team has reached its monthly spending limit.',
    }),
    'the limit of a key with 403': refusal(403, { message: 'Key limit exceeded (total limit).' }),
    'a suspended account with 412': refusal(412, { message: 'Account suspended due to unpaid invoices.' }),
    '402 inside an answer': { body: { error: { code: 402, message: 'Insufficient credits' } } },
  };
  for (const [name, refused] of Object.entries(forAccounts)) {
    it(`stops at once with clear words after ${name}, if it may not wait`, async () => {
      server.answer = () => refused;
      await assert.rejects(complete('an apple?'), (error) => {
        assert(error instanceof CreditExhausted, String(error));
        assert.match(error.message, /no credit or quota left at http.*Add credit/);
        return true;
      });
      assert.equal(server.requests.length, 1);
    });

    it(`waits after ${name} until there is credit, if it may wait, and says so`, async () => {
      const endpoints = [{ baseUrl: server.baseUrl, model: 'm', apiKeyEnv: 'KEY' }] as const;
      let outage: string | undefined;
      server.answer = () => {
        outage ??= client.outage(endpoints)?.text;
        return server.requests.length < 3 ? refused : good;
      };
      const { attempts } = await complete('an apple?', { onUnavailable: 'wait' });
      assert.equal(attempts, 3);
      assert.match(outage ?? '', /no credit or quota left at http.*add credit; it is asked again/);
    });
  }

  it('takes a rate limit for one even if it speaks of a quota', async () => {
    const message = 'You exceeded your current quota, please check your plan and billing details.';
    server.answer = () =>
      server.requests.length === 1 ? refusal(429, { message, status: 'RESOURCE_EXHAUSTED' }) : good;
    assert.equal((await complete('an apple?')).attempts, 2);
  });

  it('takes an error inside an answer with status 200 for what its code says', async () => {
    for (const code of [429, '502', 'rate_limit_exceeded', 'upstream', undefined]) {
      const before = server.requests.length;
      const failed: PlainAnswer = { body: { error: { code, message: 'upstream went away' } } };
      server.answer = () => (server.requests.length === before + 1 ? failed : good);
      assert.equal((await complete('an apple?')).attempts, 2);
    }
    server.answer = () => ({ body: { choices: [], error: { code: 401, message: 'no such key' } } });
    await assert.rejects(complete('an apple?'), AuthenticationFailed);
    server.answer = () => ({ body: { error: 'broken' } });
    await assert.rejects(complete('an apple?'), EndpointUnavailable);
  });

  it('takes a bad key for one whatever the status', async () => {
    for (const refused of [
      refusal(401, { message: 'no' }),
      refusal(400, {
        message: 'API key not valid. Please pass a valid API key.',
        status: 'INVALID_ARGUMENT',
      }),
      { status: 400, body: [{ error: { message: 'API key expired', code: 400 } }] },
    ]) {
      server.answer = () => refused;
      await assert.rejects(complete('an apple?'), AuthenticationFailed);
    }
  });

  it('is told by the check before the work: one request for a bad key, and clear words about credit', async () => {
    const check = () =>
      checkEndpoints([{ baseUrl: server.baseUrl, model: 'm', apiKeyEnv: 'KEY' }], {
        ...{ environment: { KEY: 'sk-secret' }, timeoutSeconds: 60, expectModel: true },
      });
    server.answer = () => ({ status: 403 });
    assert.match((await check()).join(), /doesn't accept the key/);
    assert.equal(server.requests.length, 1);
    server.answer = () => ({ status: 402 });
    assert.match((await check()).join(), /no credit or quota left/);
  });
});
