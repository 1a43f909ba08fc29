import assert from 'node:assert/strict';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import type { CompletionRequest } from '../../../src/models/inference/completion.ts';
import { type ScriptedEndpoint, startScriptedEndpoint } from '../../support/scripted-endpoint.ts';

describe('an inference client that is told to send no more', () => {
  let endpoint: ScriptedEndpoint;
  let client: InferenceClient;

  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ models: ['judge'] });
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 1 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 3, initialSeconds: 1, maximumSeconds: 8 },
      environment: {},
    });
  });
  afterEach(async () => {
    await endpoint.close();
    await client.close();
  });

  const request = (changed: Partial<CompletionRequest>): CompletionRequest => ({
    endpoints: [{ baseUrl: endpoint.baseUrl, model: 'judge' }],
    messages: [{ role: 'user', content: 'Which answer is better?' }],
    sampling: { temperature: 0.7, topP: 0.9, maxTokens: 64 },
    samples: 1,
    seed: 100,
    ...changed,
  });

  it('awaits the whole answer to a request that was sent before stopSending aborts, and sends no other one', async () => {
    endpoint.script(() => ({ kind: 'answer', choices: 1, afterMilliseconds: 50 }));
    const controller = new AbortController();
    const stopSending = controller.signal;
    const sent = client.complete(request({ samples: 2, stopSending }));
    const waiting = assert.rejects(client.complete(request({ seed: 200, stopSending })), /cancelled/);
    while (endpoint.requests.length === 0) await new Promise(setImmediate);
    controller.abort(new Error('cancelled'));
    await waiting;
    assert.equal((await sent).choices.length, 2);
    assert.deepEqual(
      endpoint.requests.map(({ body }) => body.seed),
      [100, 101],
    );
  });

  it('does not send a request again if its answer fails after stopSending has aborted', async () => {
    const controller = new AbortController();
    endpoint.script(() => {
      controller.abort(new Error('cancelled'));
      return { kind: 'status', status: 500 };
    });
    await assert.rejects(client.complete(request({ stopSending: controller.signal })), /cancelled/);
    assert.equal(endpoint.requests.length, 1);
  });
});
