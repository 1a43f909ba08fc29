import assert from 'node:assert/strict';
import { checkEndpoints } from '../../../src/models/inference/check-endpoints.ts';
import { type ScriptedEndpoint, startScriptedEndpoint } from '../../support/scripted-endpoint.ts';

describe('checking an endpoint', () => {
  let endpoint: ScriptedEndpoint;
  const options = { environment: {}, timeoutSeconds: 60 };

  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ models: ['judge-0'] });
  });
  afterEach(() => endpoint.close());

  it('finds nothing wrong with an endpoint that answers, after one request', async () => {
    const problems = await checkEndpoints([{ baseUrl: endpoint.baseUrl, model: 'judge-0' }], {
      ...options,
      expectModel: true,
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(
      endpoint.requests.map((request) => request.body.max_tokens),
      [256],
    );
  });

  it('names the available models if the requested one is missing', async () => {
    endpoint.script(() => ({ kind: 'status', status: 404 }));
    const problems = await checkEndpoints([{ baseUrl: endpoint.baseUrl, model: 'judge-9' }], {
      ...options,
      expectModel: true,
    });
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /judge-9.*It has judge-0/);
  });

  it('names the path if the model is listed, but nothing answers there', async () => {
    endpoint.script(() => ({ kind: 'status', status: 404, error: { message: 'Not Found.' } }));
    const problems = await checkEndpoints([{ baseUrl: endpoint.baseUrl, model: 'judge-0' }], {
      ...options,
      expectModel: true,
    });
    assert.match(
      problems.join(),
      /lists the model judge-0, but does not serve it at \/chat\/completions: 404 Not Found\. Use/,
    );
  });

  it('asks a busy endpoint again, but not for ever', async () => {
    let requests = 0;
    endpoint.script(() => {
      requests += 1;
      return requests < 3 ? { kind: 'status', status: 429 } : { kind: 'answer' };
    });
    const judge = [{ baseUrl: endpoint.baseUrl, model: 'judge-0' }];
    assert.deepEqual(await checkEndpoints(judge, { ...options, expectModel: true }), []);
    endpoint.script(() => ({ kind: 'status', status: 503 }));
    assert.match(
      (await checkEndpoints(judge, { ...options, expectModel: true })).join(),
      /server-error: 503/,
    );
  });

  it('reports no outage if another endpoint answers, but reports permanent problems', async () => {
    const other = await startScriptedEndpoint();
    const both = [endpoint, other].map(({ baseUrl }) => ({ baseUrl, model: 'judge-0' }));
    other.script(() => ({ kind: 'status', status: 401, error: { message: 'unknown key' } }));
    const refused = await checkEndpoints(both, { ...options, expectModel: true });
    assert.match(refused.join(), /^[^,]*doesn't accept the key: .*unknown key/);
    await other.close();
    for (const expectModel of [true, false])
      assert.deepEqual(await checkEndpoints(both, { ...options, expectModel }), []);
    await endpoint.close();
    assert.equal((await checkEndpoints(both, { ...options, expectModel: true })).length, 2);
  });

  it('sends nothing to a model that is not trained yet', async () => {
    const problems = await checkEndpoints([{ baseUrl: endpoint.baseUrl, model: 'judge-9' }], {
      ...options,
      expectModel: false,
    });
    assert.deepEqual(problems, []);
    assert.equal(endpoint.requests.length, 0);
  });

  it('reports an endpoint that is down, a wrong base path, a missing key and an invalid URL', async () => {
    const expectModel = false;
    const wrongPath = await checkEndpoints([{ baseUrl: endpoint.baseUrl.replace('/v1', ''), model: 'm' }], {
      ...options,
      expectModel,
    });
    assert.match(wrongPath[0]!, /base path/);
    const PLACEHOLDER_API_KEY = { baseUrl: endpoint.baseUrl, model: 'm', apiKeyEnv: 'MISSING_KEY' };
    assert.match(
      (await checkEndpoints([PLACEHOLDER_API_KEY], { ...options, expectModel }))[0]!,
      /MISSING_KEY.* is not set/,
    );
    assert.match(
      (await checkEndpoints([{ baseUrl: 'localhost', model: 'm' }], { ...options, expectModel }))[0]!,
      /is not a URL/,
    );
    await endpoint.close();
    const down = { baseUrl: endpoint.baseUrl, model: 'm' };
    for (const expected of [true, false]) {
      assert.match((await checkEndpoints([down], { ...options, expectModel: expected }))[0]!, /ECONNREFUSED/);
    }
  });
});
