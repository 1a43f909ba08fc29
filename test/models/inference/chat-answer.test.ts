import assert from 'node:assert/strict';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import type { Completion } from '../../../src/models/inference/completion.ts';
import { EndpointUnavailable, RequestRejected } from '../../../src/models/inference/errors.ts';
import {
  type Behaviour,
  type ScriptedEndpoint,
  startScriptedEndpoint,
} from '../../support/scripted-endpoint.ts';

/** A server's answer with these choices, and other fields. */
function answer(choices: readonly object[], fields: object = {}): Behaviour {
  return { kind: 'raw', body: JSON.stringify({ object: 'chat.completion', choices, ...fields }) };
}

describe('answers of chat completions', () => {
  let endpoint: ScriptedEndpoint;
  let client: InferenceClient;

  beforeEach(async () => {
    endpoint = await startScriptedEndpoint();
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 1 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 2, initialSeconds: 0, maximumSeconds: 0 },
      environment: {},
    });
  });
  afterEach(async () => {
    await endpoint.close();
    await client.close();
  });

  function complete(samples = 1): Promise<Completion> {
    return client.complete({
      endpoints: [{ baseUrl: endpoint.baseUrl, model: 'm' }],
      messages: [{ role: 'user', content: 'Which one?' }],
      sampling: { temperature: 0.5, topP: 0.9, maxTokens: 8 },
      samples,
    });
  }

  async function choiceOf(choice: object) {
    endpoint.script(() => answer([choice]));
    return (await complete()).choices[0]!;
  }

  it('are stored without the key that the endpoint echoes in them', async () => {
    const key = 'key-of-this-endpoint';
    endpoint.script(() =>
      answer([{ message: { content: `I got ${key}`, reasoning: Buffer.from(key).toString('base64') } }]),
    );
    const { choices } = await client.complete({
      endpoints: [{ baseUrl: endpoint.baseUrl, model: 'm', apiKey: key }],
      messages: [{ role: 'user', content: 'Which one?' }],
      sampling: { temperature: 0.5, topP: 0.9, maxTokens: 8 },
      samples: 1,
    });
    assert.deepEqual([choices[0]?.text, choices[0]?.reasoning], ['I got [key]', '[key]']);
  });

  const messages: [string, object, string, string | undefined][] = [
    ['a text', { content: 'First.' }, 'First.', undefined],
    ['no text', { content: null }, '', undefined],
    ['a refusal', { content: null, refusal: 'I must not.' }, 'I must not.', undefined],
    [
      'parts',
      {
        content: [
          { type: 'text', text: 'Fir' },
          { type: 'text', text: 'st.' },
        ],
      },
      'First.',
      undefined,
    ],
    ['texts in a list', { content: ['Fir', 'st.'] }, 'First.', undefined],
    ['one part', { content: { type: 'output_text', text: 'First.' } }, 'First.', undefined],
    [
      'thoughts among the parts',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] },
          { type: 'text', text: 'First.' },
        ],
      },
      'First.',
      'Hm.',
    ],
    ['reasoning_content', { content: 'First.', reasoning_content: 'Hm.' }, 'First.', 'Hm.'],
    ['reasoning', { content: 'First.', reasoning: 'Hm.' }, 'First.', 'Hm.'],
    ['reasoning without a text', { content: null, reasoning_content: 'Hm.' }, '', 'Hm.'],
    ['empty reasoning', { content: 'First.', reasoning_content: '', reasoning: null }, 'First.', undefined],
    [
      'parts of reasoning',
      { content: 'First.', reasoning: [{ type: 'text', text: 'Hm.' }] },
      'First.',
      'Hm.',
    ],
    [
      'reasoning in details',
      { content: 'First.', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.' }] },
      'First.',
      'Hm.',
    ],
    ['blocks of thinking', { content: 'First.', thinking_blocks: [{ thinking: 'Hm.' }] }, 'First.', 'Hm.'],
  ];
  for (const [name, message, text, reasoning] of messages) {
    it(`reads ${name}`, async () => {
      const { finishReason: _, ...read } = await choiceOf({ message, finish_reason: 'stop' });
      assert.deepEqual(read, { text, ...(reasoning === undefined ? {} : { reasoning }) });
    });
  }

  const endings: Record<'stop' | 'length' | 'content_filter', readonly unknown[]> = {
    stop: [
      ...[
        'stop',
        'STOP',
        'eos',
        'eos_token',
        'end_turn',
        'stop_sequence',
        'COMPLETE',
        'eosFound',
        'null',
        '',
      ],
      ...['tool_calls', 'FINISH_REASON_STOP', 'unheard-of', null, undefined, 7, { type: 'stop', matched: 2 }],
    ],
    length: [
      ...[
        'length',
        'max_tokens',
        'MAX_TOKENS',
        'max_output_tokens',
        'model_length',
        'max_new_tokens',
        'limit',
      ],
      ...[
        'maxPredictedTokensReached',
        'contextLengthReached',
        'model_context_window_exceeded',
        'TOKEN_LIMIT',
      ],
      ...['incomplete', 'FINISH_REASON_MAX_TOKENS', 'ERROR_LIMIT', { type: 'length', length: 8 }],
    ],
    content_filter: [
      ...[
        'content_filter',
        'content-filter',
        'SAFETY',
        'guardrail_intervened',
        'content_filtered',
        'refusal',
      ],
      ...['RECITATION', 'PROHIBITED_CONTENT', 'sensitive', 'ERROR_TOXIC', 'BLOCKLIST'],
    ],
  };
  for (const [ending, words] of Object.entries(endings)) {
    for (const word of words) {
      it(`takes the finish_reason ${JSON.stringify(word)} for ${ending}`, async () => {
        const other = { index: 1, message: { content: 'Second.' }, finish_reason: 'stop' };
        const choice = { index: 0, message: { content: 'First.' }, finish_reason: word };
        endpoint.script(() => answer([other, choice]));
        const { choices } = await complete(2);
        assert.deepEqual(
          choices.map(({ finishReason }) => finishReason),
          [ending, 'stop'],
        );
      });
    }
  }

  const broken: [string, object][] = [
    ...['error', 'ERROR', 'abort', 'insufficient_system_resource', 'network_error', 'USER_CANCEL'].map(
      (word): [string, object] => [
        `the finish_reason ${word}`,
        { message: { content: '' }, finish_reason: word },
      ],
    ),
    [
      'an error in the choice',
      { message: { content: 'Fi' }, finish_reason: 'stop', error: { code: 502, message: 'gone' } },
    ],
    ['no message', { finish_reason: 'stop' }],
    ['a content that is no text', { message: { content: 7 }, finish_reason: 'stop' }],
  ];
  for (const [name, choice] of broken) {
    it(`asks again after ${name}`, async () => {
      const whole = { message: { content: 'First.' }, finish_reason: 'stop' };
      endpoint.script(({ index }) => answer([index === 0 ? choice : whole]));
      assert.equal((await complete()).choices[0]!.text, 'First.');
      endpoint.script(() => answer([choice]));
      await assert.rejects(complete(), EndpointUnavailable);
    });
  }

  it('refuses the record if a filter leaves nothing of the message', async () => {
    endpoint.script(() => answer([{ index: 0, finish_reason: 'content_filter' }]));
    await assert.rejects(
      complete(),
      (error) => error instanceof RequestRejected && error.reason === 'content-filter',
    );
  });

  it('needs nothing of an answer but its texts', async () => {
    for (const usage of [undefined, null, 'many', 7, [], { prompt_tokens: -3, completion_tokens: 'NaN' }]) {
      const choice = {
        index: 'x',
        message: { content: 'First.', role: 7, tool_calls: 'none' },
        logprobs: 'n/a',
      };
      endpoint.script(() =>
        answer([choice], { usage, id: 7, created: 'now', model: null, error: { code: 0, message: '' } }),
      );
      const { choices, usage: read } = await complete();
      assert.deepEqual(
        [choices, read],
        [[{ text: 'First.', finishReason: 'stop' }], { promptTokens: 0, completionTokens: 0 }],
      );
    }
    endpoint.script(() =>
      answer([{ message: { content: 'a' } }], { usage: { prompt_tokens: '12', output_tokens: 3 } }),
    );
    assert.deepEqual((await complete()).usage, { promptTokens: 12, completionTokens: 3 });
  });

  it('reads the log-probabilities of the tokens, in whole or not at all', async () => {
    const token = { token: 'A', logprob: -0.1, bytes: [65], top_logprobs: [{ token: 'A', logprob: -0.1 }] };
    const read = { token: 'A', logprob: -0.1, top: [{ token: 'A', logprob: -0.1 }] };
    const logprobsOf = async (logprobs: unknown) =>
      (await choiceOf({ message: { content: 'A' }, logprobs })).logprobs;
    assert.deepEqual(await logprobsOf({ content: [token], refusal: null }), [read]);
    assert.deepEqual(await logprobsOf({ content: [{ ...token, top_logprobs: null }] }), [
      { ...read, top: [] },
    ]);
    for (const other of [
      null,
      [],
      { content: null },
      { tokens: ['A'] },
      { content: [{ token: 'A' }, token] },
    ])
      assert.equal(await logprobsOf(other), undefined);
  });

  it('takes choices without indices of their own in the order in which they come', async () => {
    for (const index of [undefined, 0, null, '1']) {
      endpoint.script(() => answer(['a', 'b'].map((content) => ({ index, message: { content } }))));
      assert.deepEqual(
        (await complete(2)).choices.map(({ text }) => text),
        ['a', 'b'],
      );
    }
  });
});
