import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createJudge, type JudgeFile, type JudgeOptions } from '../../src/client/index.ts';
import { startScriptedEndpoint, type Script, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { correctJudgment, sampleJudge } from '../support/sample-judge.ts';

const honest: Script = ({ body }) => ({
  kind: 'answer',
  texts: Array.from({ length: body.n ?? 1 }, () => correctJudgment(body.messages.at(-1)?.content ?? '')),
});
const alwaysA: Script = ({ body }) => ({
  kind: 'answer',
  texts: Array.from({ length: body.n ?? 1 }, () => '[[A]]'),
});

describe('createJudge', function () {
  this.timeout(60_000);
  let endpoint: ScriptedEndpoint;

  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ script: honest, models: ['judge', 'other'] });
  });
  afterEach(() => endpoint.close());

  const at = (options: Partial<JudgeOptions> = {}) =>
    createJudge({ baseUrl: endpoint.baseUrl, model: 'judge', judge: sampleJudge(), attempts: 2, ...options });

  it('compares in one order, with the judgment, the tokens and the number of requests', async () => {
    const { verdict, consistent, orders, requests, tokens } = await at().compare(
      'which?',
      'it is 3',
      'it is 7',
    );
    assert.deepEqual([verdict, consistent, requests], ['B', null, 1]);
    assert.deepEqual(orders, [
      {
        order: 'as-given',
        verdict: 'B',
        votes: { A: 0, B: 1, tie: 0, none: 0 },
        judgments: [{ text: 'I look. [[B]]', verdict: 'B', finishReason: 'stop' }],
      },
    ]);
    assert(tokens.prompt > 0 && tokens.completion === 1);
    const [request] = endpoint.requests;
    assert.equal(request?.body.messages.at(-1)?.content, 'Q which? (A) it is 3 (B) it is 7');
    assert.equal(request?.body.max_tokens, 64);
    assert.equal(request?.headers.authorization, 'Bearer none');
  });

  it('sends the key in the header that is named, and tells what the endpoint does not take', async () => {
    endpoint.script((request) =>
      'seed' in request.body
        ? { kind: 'status', status: 422, error: { message: 'seed: Extra inputs are not permitted' } }
        : honest(request),
    );
    const notices: string[] = [];
    const judge = at({
      model: 'judge without a seed',
      ...{ apiKey: 'sk-secret', apiKeyHeader: 'X-Api-Key', onNotice: (notice) => notices.push(notice) },
    });
    for (const other of ['it is 7', 'it is 9']) await judge.compare('which?', 'it is 3', other);
    assert.deepEqual(
      endpoint.requests.map(({ headers }) => [headers['x-api-key'], headers.authorization]),
      endpoint.requests.map(() => ['sk-secret', undefined]),
    );
    assert.equal(endpoint.requests.length, 3);
    assert.equal(notices.length, 1);
    assert.match(notices[0]!, /takes no seed/);
  });

  it('detects position bias when it asks in both orders', async () => {
    endpoint.script(alwaysA);
    const { verdict, consistent, orders } = await at({ orders: 'both' }).compare('which?', '3', '7');
    assert.deepEqual([verdict, consistent], ['tie', false]);
    assert.deepEqual(
      orders.map((order) => order.verdict),
      ['A', 'B'],
    );
    endpoint.script(honest);
    assert.equal((await at({ orders: 'both' }).compare('which?', '3', '7')).consistent, true);
  });

  it('shows a conversation with its speakers’ names', async () => {
    const turns = [
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'hi' },
      { role: 'user', content: 'which?' },
    ];
    await at().compare(turns, '3', '7');
    const prompt = endpoint.requests[0]?.body.messages.at(-1)?.content;
    assert.equal(prompt, 'Q User: hello\n\nAssistant: hi\n\nUser: which? (A) 3 (B) 7');
  });

  it('asks for all votes in one request, and one by one from a server that doesn’t know n', async () => {
    const all = await at({ votes: 3, orders: 'both' }).compare('which?', '3', '7');
    assert.deepEqual(
      [all.requests, endpoint.requests.length, all.orders[0]?.votes],
      [2, 2, { A: 0, B: 3, tie: 0, none: 0 }],
    );
    const seed = endpoint.requests[0]?.body.seed ?? 0;
    endpoint.script(({ body }) =>
      (body.n ?? 1) > 1
        ? { kind: 'status', status: 400, error: { message: 'n must be 1', param: 'n' } }
        : { kind: 'answer', texts: ['[[B]]'] },
    );
    const single = await at({ votes: 3 }).compare('which?', '3', '7');
    assert.equal(single.requests, 3);
    assert.deepEqual(
      endpoint.requests.slice(3).map(({ body }) => body.seed),
      [seed, seed + 1, seed + 2],
    );
    endpoint.script(({ body }) => ({ kind: 'answer', texts: ['[[B]]'].slice(0, body.n ?? 1) }));
    assert.equal((await at({ votes: 3 }).compare('which?', '3', '7')).requests, 3);
  });

  for (const [tournament, responses, comparisons] of [
    ['round-robin', 5, 10],
    ['merge-sort', 5, 8],
    ['merge-sort', 8, 17],
  ] as const)
    it(`ranks ${responses} responses by ${tournament} with at most as many requests as it announced`, async () => {
      const judge = at({ orders: 'both' });
      const texts = [4, 9, 1, 9, 6, 2, 8, 3].slice(0, responses).map((value) => `it is ${value}`);
      const before = judge.requestsFor(responses, tournament);
      assert.deepEqual(before, { comparisons, requests: 2 * comparisons });
      const ranking = await judge.rank('which?', texts, { tournament });
      const best = ranking.ranked.slice(0, 4).map(({ index, rank }) => [index, rank]);
      const rest =
        responses === 5
          ? [
              [4, 3],
              [0, 4],
            ]
          : [
              [6, 3],
              [4, 4],
            ];
      assert.deepEqual(best, [[1, 1], [3, 1], ...rest]);
      assert.equal(ranking.requests, endpoint.requests.length);
      assert.equal(ranking.requests, 2 * ranking.comparisons.length);
      if (tournament === 'round-robin') {
        assert.equal(ranking.requests, before.requests);
        assert.deepEqual(
          ranking.ranked.map(({ points }) => points),
          [3.5, 3.5, 2, 1, 0],
        );
      } else assert(ranking.requests <= before.requests);
    });

  it('ranks one response, or none, without a request', async () => {
    assert.deepEqual(at().requestsFor(1, 'merge-sort'), { comparisons: 0, requests: 0 });
    assert.deepEqual((await at().rank('which?', ['it is 1'])).ranked, [{ index: 0, rank: 1, points: 0 }]);
    assert.deepEqual((await at().rank('which?', [], { tournament: 'merge-sort' })).ranked, []);
    assert.equal(endpoint.requests.length, 0);
  });

  it('has at most maxConcurrency requests in flight', async () => {
    endpoint.script((request) => ({ ...(honest(request) as { kind: 'answer' }), afterMilliseconds: 20 }));
    const judge = at({ maxConcurrency: 3 });
    await judge.rank('which?', ['1', '2', '3', '4', '5', '6']);
    assert.equal(endpoint.mostInFlight(), 3);
  });

  it('stops at once when its signal aborts, waiting requests too, and sends nothing more', async () => {
    endpoint.script(() => ({ kind: 'hang' }));
    const stopping = new AbortController();
    const judge = at({ maxConcurrency: 2 });
    const ranking = judge.rank('which?', ['1', '2', '3', '4'], { signal: stopping.signal });
    while (endpoint.requests.length < 2) await sleep(5);
    const reason = new Error('enough');
    stopping.abort(reason);
    await assert.rejects(ranking, (error) => error === reason);
    await assert.rejects(judge.compare('which?', '1', '2', { signal: stopping.signal }), reason);
    endpoint.script(honest);
    // The aborted requests no longer count as in flight.
    assert.equal((await judge.compare('which?', '1', '2')).verdict, 'B');
    assert.equal(endpoint.requests.length, 3);
  });

  it('retries after a temporary failure, and ends a tournament at a permanent one', async () => {
    endpoint.script((request) => (request.index === 0 ? { kind: 'reset' } : honest(request)));
    assert.equal((await at().compare('which?', '1', '2')).verdict, 'B');
    const tooLong = { message: 'maximum context length is 10', code: 'context_length_exceeded' };
    endpoint.script(() => ({ kind: 'status', status: 400, error: tooLong }));
    await assert.rejects(at().rank('which?', ['1', '2', '3']), {
      name: 'RequestRejected',
      reason: 'context-length',
    });
  });

  it('says what is wrong with model name, key, endpoint or judge file, and never shows the key', async () => {
    const failure = async (options: Partial<JudgeOptions>) => {
      const error: unknown = await at(options)
        .compare('which?', '1', '2')
        .catch((thrown: unknown) => thrown);
      assert(error instanceof Error);
      return `${error.name}: ${error.message}`;
    };
    endpoint.script(() => ({ kind: 'status', status: 404, error: { message: 'no such model' } }));
    assert.match(await failure({ model: 'jduge' }), /^ModelNotFound: .* jduge: .*It has judge, other\.$/);
    endpoint.script(() => ({ kind: 'status', status: 401, error: { message: 'bad key sk-secret' } }));
    const rejected = await failure({ apiKey: 'sk-secret' });
    assert.match(rejected, /^AuthenticationFailed: .*bad key \[key\]\. Check the given key \(apiKey\)\.$/);
    assert.match(await failure({}), /No key was sent: give one \(apiKey\)/);
    const down = await failure({ baseUrl: 'http://127.0.0.1:9/v1' });
    assert.match(
      down,
      /^EndpointUnavailable: .* in 2 attempts; the last one: network: .*reachable from here/,
    );
    assert.throws(() => at({ apiKey: 'two words' }), /contains blanks/);
    assert.throws(
      () => at({ baseUrl: 'http://me:secret@host/v1' }),
      (error: Error) => !/secret/.test(error.message),
    );
    for (const maxConcurrency of [0, NaN])
      assert.throws(() => at({ maxConcurrency }), /^RangeError: maxConcurrency is /);
    await assert.rejects(
      at({}).rank('which?', ['1', '2'], { tournament: 'swiss' as never }),
      /tournament is "swiss", but must be/,
    );
    assert.throws(() => at({ baseUrl: 'localhost:8000' }), /is not an http or https URL/);
    const { prompt: _prompt, ...without } = sampleJudge();
    assert.throws(() => at({ judge: { ...without, formatVersion: 2 } as unknown as JudgeFile }), {
      name: 'InvalidJudgeFile',
      message: /the given judge .*formatVersion: .*; prompt: /,
    });
  });
});
