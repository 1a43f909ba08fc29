import assert from 'node:assert/strict';
import { createJudge, type JudgeOptions } from '../../src/client/index.ts';
import { startScriptedEndpoint, type Script, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { directOrReasoned, directPrompt, letterLogprobs, sampleJudge } from '../support/sample-judge.ts';

/** Names a letter in each order, with a probability, and reasons for B. */
function answering(asGiven: ['A' | 'B', number], swapped: ['A' | 'B', number]): Script {
  return ({ body }) => {
    const question = body.messages.at(-1)?.content ?? '';
    if (!question.startsWith('Choose')) return { kind: 'answer', texts: ['I look. [[B]]'] };
    const [letter, probability] = question.includes('(A) first') ? asGiven : swapped;
    return { kind: 'answer', texts: [`[[${letter}]]`], logprobs: [letterLogprobs(letter, probability)] };
  };
}

describe('direct verdicts', function () {
  this.timeout(60_000);
  let endpoint: ScriptedEndpoint;

  before(async () => {
    endpoint = await startScriptedEndpoint({ script: directOrReasoned, models: ['judge'] });
  });
  beforeEach(() => {
    endpoint.requests.length = 0;
  });
  after(() => endpoint.close());

  const judge = (options: Partial<JudgeOptions> = {}) =>
    createJudge({
      ...{ baseUrl: endpoint.baseUrl, model: 'judge', judge: sampleJudge(), attempts: 2 },
      direct: { threshold: 0.9, prompt: directPrompt },
      ...options,
    });
  const compare = (options?: Partial<JudgeOptions>) => judge(options).compare('which?', 'first', 'second');

  it('are asked for in both orders in at most four tokens, and count if the judge is sure of the same response', async () => {
    endpoint.script(answering(['A', 0.95], ['B', 0.92]));
    const { verdict, consistent, orders, direct, requests } = await compare();
    assert.deepEqual([verdict, consistent, requests], ['A', true, 2]);
    assert.deepEqual(
      orders.map(({ order, verdict: found, judgments }) => [order, found, judgments[0]?.text]),
      [
        ['as-given', 'A', '[[A]]'],
        ['swapped', 'A', '[[B]]'],
      ],
    );
    assert(direct !== undefined && Math.abs((direct.probability ?? 0) - 0.92) < 1e-9);
    assert.deepEqual(
      { ...direct, probability: 0 },
      {
        ...{ decided: true, probability: 0, verdicts: ['A', 'A'], tokens: 2 },
      },
    );
    assert.deepEqual(
      new Set(
        endpoint.requests.map(
          ({ body }) => `${body.max_tokens} ${body.logprobs} ${body.messages[0]?.content}`,
        ),
      ),
      new Set(['4 true Choose which? (A) first (B) second', '4 true Choose which? (A) second (B) first']),
    );
  });

  it('do not count if one order is less sure, the orders differ, or one names no response: then the judge reasons', async () => {
    const noLetter: Script = (request) => {
      const answer = answering(['A', 0.99], ['B', 0.99])(request);
      const isSwapped = request.body.messages.at(-1)?.content.endsWith('(B) first') === true;
      return answer.kind === 'answer' && isSwapped ? { ...answer, texts: ['Well, I think'] } : answer;
    };
    for (const [script, probability] of [
      [answering(['A', 0.99], ['B', 0.89]), 0.89],
      [answering(['A', 0.99], ['A', 0.99]), null],
      [noLetter, null],
    ] as const) {
      endpoint.script(script);
      const { verdict, consistent, orders, direct, requests } = await compare();
      assert.deepEqual([verdict, consistent, requests, direct?.decided], ['B', null, 3, false]);
      assert.equal(orders[0]?.judgments[0]?.text, 'I look. [[B]]');
      const found = direct?.probability ?? null;
      const rounded = found === null ? null : Number(found.toFixed(6));
      assert.equal(rounded, probability);
    }
  });

  it('follow prompt and temperature of judge.json, but its temperature only for its own prompt', async () => {
    const own = { prompt: { user: `Choose: {instruction} (A) {responseA} (B) {responseB}` }, temperature: 2 };
    endpoint.script(answering(['A', 0.9], ['B', 0.9]));
    // Log-odds of ln 9, halved: a probability of 3 to 1.
    const cooled = await compare({ judge: sampleJudge({ direct: own }), direct: { threshold: 0.76 } });
    assert.deepEqual([cooled.direct?.decided, cooled.direct?.probability?.toFixed(6)], [false, '0.750000']);
    assert.match(endpoint.requests[0]?.body.messages[0]?.content ?? '', /^Choose: /);
    const other = { threshold: 0.76, prompt: directPrompt };
    const raw = await compare({ judge: sampleJudge({ direct: own }), direct: other });
    assert.deepEqual([raw.direct?.decided, raw.direct?.probability?.toFixed(6)], [true, '0.900000']);
  });

  it('are counted in the requests that a ranking announces', async () => {
    endpoint.script(answering(['A', 0.6], ['B', 0.6]));
    const { requests } = judge().requestsFor(3);
    const ranking = await judge().rank('which?', ['first', 'second', 'third']);
    assert.deepEqual([requests, ranking.requests, endpoint.requests.length], [9, 9, 9]);
  });

  it('fail if the endpoint gives no log-probabilities, or no likely tokens beside them, which names the endpoint', async () => {
    const { content } = letterLogprobs('A', 0.9);
    const withoutTop = { content: content.map(({ token, logprob }) => ({ token, logprob })) };
    for (const logprobs of [undefined, [null], [withoutTop]]) {
      endpoint.script(() => ({
        kind: 'answer',
        texts: ['[[A]]'],
        ...(logprobs === undefined ? {} : { logprobs }),
      }));
      await assert.rejects(compare(), {
        name: 'EndpointUnsuitable',
        message: new RegExp(
          `^${endpoint.baseUrl} gives no log-probabilities .* Judge without direct verdicts`,
        ),
      });
    }
    endpoint.script(({ body }) =>
      body.logprobs === true
        ? { kind: 'status', status: 400, error: { message: 'logprobs is not supported' } }
        : { kind: 'answer', texts: ['[[A]]'] },
    );
    await assert.rejects(compare({ model: 'judge without logprobs' }), { name: 'EndpointUnsuitable' });
  });

  it('need a threshold that is a probability from 0.5, and a prompt', () => {
    for (const threshold of [0.49, 1.01, NaN])
      assert.throws(() => judge({ direct: { threshold, prompt: directPrompt } }), {
        name: 'InvalidVoting',
        message: /must be a probability from 0\.5 to 1/,
      });
    assert.throws(
      () => judge({ direct: { threshold: 0.9 } }),
      /no prompt for direct verdicts \(direct\.prompt\)/,
    );
  });

  it('are refused of a judge that has learned verdicts alone, which is asked for them without reasons to fall back on', async () => {
    const alone = sampleJudge({ prompt: directPrompt, direct: { prompt: directPrompt, temperature: 1.5 } });
    for (const prompt of [undefined, { user: 'Other {instruction} {responseA} {responseB}' }])
      assert.throws(() => judge({ judge: alone, direct: { threshold: 0.9, prompt } }), {
        name: 'InvalidVoting',
        message: /has learned verdicts alone .* leave direct verdicts out, .*"mode": "beside"/,
      });
    endpoint.script(answering(['A', 0.6], ['B', 0.6]));
    const { verdict, requests, direct } = await judge({ judge: alone, direct: undefined }).compare(
      ...(['which?', 'first', 'second'] as const),
    );
    assert.deepEqual([verdict, requests, direct], ['A', 1, undefined]);
    assert.equal(endpoint.requests[0]?.body.messages[0]?.content, 'Choose which? (A) first (B) second');
  });
});
