import assert from 'node:assert/strict';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import { chatCompletion, type PlainServer, startPlainServer } from '../../support/plain-server.ts';

describe('what a server does in silence', () => {
  let server: PlainServer;
  let client: InferenceClient;
  let notices: string[];
  let model: string;
  let models = 0;

  beforeEach(async () => {
    server = await startPlainServer(() => ({ body: chatCompletion('First.') }));
    notices = [];
    // What is observed is kept for address and model, and a later server may get the same port.
    model = `silent-${models++}`;
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 4 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
      environment: {},
      onNotice: (notice) => notices.push(notice),
    });
  });
  afterEach(async () => {
    await server.close();
    await client.close();
  });

  const complete = (temperature = 0.7, samples = 2) =>
    client.complete({
      endpoints: [{ baseUrl: server.baseUrl, model }],
      messages: [{ role: 'user', content: 'Which one?!' }],
      sampling: { temperature, topP: 0.9, maxTokens: 10 },
      samples,
      seed: 1,
    });

  async function completeOften(times: number, temperature?: number): Promise<void> {
    for (let time = 0; time < times; time++) await complete(temperature);
  }

  for (const usage of [undefined, null, 'many', {}, { prompt_tokens: 0, completion_tokens: 0 }]) {
    it(`estimates the tokens of a server whose usage is ${JSON.stringify(usage)}, and says so`, async () => {
      server.answer = () => ({ body: chatCompletion('First.', { usage }) });
      const { usage: counted, uncounted } = await complete(0, 1);
      assert.deepEqual(counted, { promptTokens: 0, completionTokens: 0 });
      assert.deepEqual(uncounted, { promptTokens: 4, completionTokens: 2 });
      await complete(0, 1);
      assert.equal(notices.length, 1);
      assert.match(notices[0]!, /does not count tokens: .* estimated from the texts/);
    });
  }

  it('estimates nothing that is counted', async () => {
    assert.deepEqual((await complete(0, 1)).uncounted, { promptTokens: 0, completionTokens: 0 });
    assert.deepEqual(notices, []);
  });

  it('says that all samples of many requests are equal', async () => {
    await completeOften(19);
    assert.deepEqual(notices, []);
    await completeOften(3);
    assert.equal(notices.length, 1);
    assert.match(notices[0]!, /gave only equal samples in each of 20 requests at a temperature of 0\.7/);
    assert.deepEqual(client.notices([{ baseUrl: server.baseUrl, model }]), notices);
  });

  it('says nothing of equal samples with greedy decoding, or once samples were different', async () => {
    await completeOften(25, 0);
    server.answer = () => ({ body: chatCompletion(`Answer ${server.requests.length}.`) });
    await completeOften(1);
    server.answer = () => ({ body: chatCompletion('First.') });
    await completeOften(25);
    assert.deepEqual(notices, []);
  });

  it('counts the samples that a server cuts before max_tokens, and those only', async () => {
    const cut = (completion_tokens: number) => ({
      body: {
        choices: [{ message: { content: 'Fir' }, finish_reason: 'length' }],
        usage: { prompt_tokens: 10, completion_tokens },
      },
    });
    server.answer = () => cut(10);
    await complete(0, 1);
    assert.deepEqual(notices, []);
    server.answer = () => cut(4);
    await complete(0, 1);
    assert.match(notices.join(), /has cut 1 of 2 samples before max_tokens \(10\)/);
    for (let time = 0; time < 10; time++) await complete(0, 1);
    assert.equal(notices.length, 2);
    assert.match(notices[1]!, /has cut 10 of 11 samples/);
  });
});
