import assert from 'node:assert/strict';
import { checkEndpoints } from '../../../src/models/inference/check-endpoints.ts';
import { createInferenceClient, type InferenceClient } from '../../../src/models/inference/client.ts';
import type { CompletionRequest } from '../../../src/models/inference/completion.ts';
import {
  EndpointUnavailable,
  EndpointUnsuitable,
  RequestRejected,
} from '../../../src/models/inference/errors.ts';
import {
  chatCompletion,
  type PlainAnswer,
  type PlainServer,
  startPlainServer,
} from '../../support/plain-server.ts';

type Body = Readonly<Record<string, unknown>>;

const PARAMETERS = ['n', 'seed', 'max_tokens', 'top_p', 'temperature', 'stream', 'logprobs'];

/** The ways in which servers refuse a parameter, by the name of the parameter. */
const refusals: Record<string, (name: string) => PlainAnswer> = {
  "OpenAI's": (param) => ({
    status: 400,
    body: { error: { message: `Unsupported parameter: '${param}'`, param, code: 'unsupported_parameter' } },
  }),
  'a text': (name) => ({ status: 400, body: { error: { message: `'${name}' : value not allowed` } } }),
  "FastAPI's": (name) => ({
    status: 422,
    body: {
      detail: [{ type: 'extra_forbidden', loc: ['body', name], msg: 'Extra inputs are not permitted' }],
    },
  }),
  "Mistral's": (name) => ({
    status: 422,
    body: {
      object: 'error',
      message: { detail: [{ loc: ['body', name], msg: 'not permitted' }] },
      param: null,
    },
  }),
  'one text for all fields': (name) => ({ status: 400, body: `unknown field \`${name}\`` }),
  'a server error with a text': (name) => ({ status: 500, body: { error: `parameter: ${name} is unknown` } }),
  'a refusal without a word': () => ({ status: 400, body: { error: { message: 'Bad request' } } }),
  'an empty 422': () => ({ status: 422 }),
  'a server error without a word': () => ({ status: 500, body: 'Internal Server Error' }),
};

describe('parameters that a server refuses', () => {
  let server: PlainServer;
  let client: InferenceClient;
  let notices: string[];
  let model: string;
  let models = 0;

  beforeEach(async () => {
    server = await startPlainServer(() => ({ body: chatCompletion('First.') }));
    notices = [];
    // What is learned is kept for address and model, and a later server may get the same port.
    model = `model-${models++}`;
    client = createInferenceClient({
      concurrency: { minimum: 1, maximum: 16 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 4, initialSeconds: 0, maximumSeconds: 0 },
      environment: {},
      onNotice: (notice) => notices.push(notice),
    });
  });
  afterEach(async () => {
    await server.close();
    await client.close();
  });

  function complete(
    sampling: Partial<CompletionRequest['sampling']> = {},
    { samples = 1, ...others }: Partial<CompletionRequest> = {},
  ) {
    return client.complete({
      endpoints: [{ baseUrl: server.baseUrl, model }],
      messages: [{ role: 'user', content: 'Which one?' }],
      sampling: { temperature: 1, topP: 1, maxTokens: 64, ...sampling },
      samples,
      seed: 7,
      ...others,
    });
  }

  /** Answers a request well unless it is refused. */
  function refuse(isRefused: (body: Body) => PlainAnswer | undefined): void {
    server.answer = ({ body = {} }) => isRefused(body) ?? { body: chatCompletion('First.') };
  }

  const bodies = (): Body[] => server.requests.map(({ body = {} }) => body);
  const parametersOf = (body: Body = {}): string[] =>
    Object.keys(body)
      .filter((name) => name !== 'messages')
      .sort();

  for (const [form, refusal] of Object.entries(refusals)) {
    for (const name of PARAMETERS) {
      it(`does without ${name} after ${form}, says so once, and remembers it`, async () => {
        refuse((body) => (name in body ? refusal(name) : undefined));
        const { choices } = await complete({}, { samples: 3, topLogprobs: 5 });
        assert.deepEqual(
          choices.map(({ text }) => text),
          ['First.', 'First.', 'First.'],
        );
        assert.equal(notices.length, 1, notices.join('\n'));
        assert.match(
          notices[0]!,
          name === 'max_tokens' ? /max_completion_tokens/ : new RegExp(`takes no.* "?${name}`),
        );
        const before = server.requests.length;
        await complete({}, { samples: 2, topLogprobs: 5 });
        const later = bodies().slice(before);
        for (const body of later) assert(!(name in body), JSON.stringify(body));
        // Nothing else is left out.
        const kept = PARAMETERS.filter((other) => other !== name && other !== 'n');
        const renamed = name === 'max_tokens' ? ['max_completion_tokens'] : [];
        const beside = name === 'logprobs' ? [] : ['top_logprobs'];
        assert.deepEqual(
          parametersOf(later.at(-1)).filter((other) => other !== 'n'),
          ['model', ...kept, ...renamed, ...beside].sort(),
        );
        assert.equal(notices.length, 1);
      });
    }
  }

  it('asks for the samples of a server without n one by one, with consecutive seeds', async () => {
    refuse((body) =>
      'n' in body
        ? { status: 500, body: { error: { message: 'Only one completion choice is allowed' } } }
        : undefined,
    );
    await complete({ temperature: 0.7 }, { samples: 3 });
    assert.deepEqual(
      bodies().map(({ n, seed }) => [n, seed]),
      [
        [3, 7],
        [undefined, 7],
        [undefined, 8],
        [undefined, 9],
      ],
    );
  });

  it('finds several refused parameters, also if each answer names only one', async () => {
    refuse((body) => {
      const name = ['seed', 'max_tokens', 'n'].find((refused) => refused in body);
      return name === undefined ? undefined : { status: 400, body: { error: `${name} is not supported` } };
    });
    await complete({ temperature: 0.7 }, { samples: 2 });
    assert.equal(notices.length, 3, notices.join('\n'));
    assert.equal(bodies().length, 5);
  });

  it('lets one request find out what a server takes, while others wait for it', async () => {
    refuse((body) => ('seed' in body ? { status: 400, body: { error: 'Bad request' } } : undefined));
    await Promise.all(Array.from({ length: 16 }, () => complete({ temperature: 0.7 })));
    const refused = bodies().filter((body) => 'seed' in body);
    assert(refused.length <= 18, `${refused.length} refused requests`);
    assert.equal(notices.length, 1);
  });

  it('sends no top_p of 1 with greedy decoding, and leaves out one of temperature and top_p that means nothing', async () => {
    refuse((body) =>
      'temperature' in body && 'top_p' in body
        ? { status: 400, body: { error: { message: 'temperature and top_p can not both be set' } } }
        : undefined,
    );
    await complete({ temperature: 0 });
    assert.equal(bodies().length, 1);
    await complete({ temperature: 0.7 });
    await complete({ temperature: 1, topP: 0.9 });
    assert.deepEqual(parametersOf(bodies()[2]), ['max_tokens', 'model', 'seed', 'stream', 'temperature']);
    assert.deepEqual(parametersOf(bodies().at(-1)), ['max_tokens', 'model', 'seed', 'stream', 'top_p']);
  });

  for (const sampling of [{ temperature: 0 }, { temperature: 0.7, topP: 0.9 }]) {
    it(`never leaves out ${JSON.stringify(sampling)}, which changes the method, but says what to do`, async () => {
      refuse((body) =>
        body.temperature === 1
          ? undefined
          : {
              status: 400,
              body: {
                error: { message: 'Only the default temperature (1) is supported', param: 'temperature' },
              },
            },
      );
      await assert.rejects(complete(sampling), (error) => {
        assert(error instanceof EndpointUnsuitable);
        assert.match(error.message, /The method needs its temperature.*set a value/);
        return true;
      });
      assert.equal(bodies().length, 1);
      await complete({ temperature: 1 });
    });
  }

  it('leaves out a temperature of 1 only', async () => {
    refuse((body) =>
      'temperature' in body ? { status: 400, body: { error: 'temperature is not supported' } } : undefined,
    );
    await complete({ temperature: 1 });
    await assert.rejects(complete({ temperature: 0.5 }), EndpointUnsuitable);
    assert.equal(bodies().at(-1)?.['temperature'], 0.5);
  });

  it('does not rename max_tokens if only its value is refused', async () => {
    for (const message of [
      'max_tokens (64) is too large: at most 32',
      'could not finish within max_tokens',
    ]) {
      refuse((body) =>
        'max_tokens' in body ? { status: 400, body: { error: { message, param: 'max_tokens' } } } : undefined,
      );
      await assert.rejects(complete(), RequestRejected);
    }
    assert(bodies().every((body) => 'max_tokens' in body));
  });

  it('takes a refusal for one of the prompt if the endpoint has answered such a request', async () => {
    const isBad = ({ messages }: Body) => JSON.stringify(messages).includes('bad');
    refuse((body) =>
      isBad(body) ? { status: 400, body: { error: { message: 'the seed of a bad apple' } } } : undefined,
    );
    await complete();
    const bad = complete({}, { messages: [{ role: 'user', content: 'a bad one' }] });
    await assert.rejects(bad, (error) => error instanceof RequestRejected && error.reason === 'bad-request');
    assert.equal(bodies().length, 2);
  });

  it('gives up after few requests if everything is refused, and later finds out what else is refused', async () => {
    let isBroken = true;
    refuse((body) =>
      isBroken || 'seed' in body ? { status: 400, body: { error: 'Bad request' } } : undefined,
    );
    await assert.rejects(complete(), RequestRejected);
    assert.equal(bodies().length, 3);
    isBroken = false;
    await complete();
    assert.equal(notices.length, 1);
  });

  it('asks a server that fails for one more thing only, and only once', async () => {
    server.answer = () => ({ status: 500, body: 'Internal Server Error' });
    await assert.rejects(complete(), EndpointUnavailable);
    assert.equal(bodies().length, 4 + 2);
    await assert.rejects(complete(), EndpointUnavailable);
    assert.equal(bodies().length, 4 + 2 + 4);
  });

  it('counts each request that finds out what a server takes', async () => {
    refuse((body) => ('seed' in body ? { status: 400, body: { error: 'no seed' } } : undefined));
    const admitted: string[] = [];
    const { attempts, requests } = await complete(
      {},
      { admit: async (sending) => void admitted.push(sending) },
    );
    assert.deepEqual([admitted, attempts, requests], [['first', 'again'], 2, 1]);
    const enough = new Error('enough');
    refuse((body) => ('stream' in body ? { status: 400, body: { error: 'no stream' } } : undefined));
    const admit = (sending: string) => (sending === 'again' ? Promise.reject(enough) : Promise.resolve());
    await assert.rejects(complete({ temperature: 0.5 }, { admit }), (error) => error === enough);
    assert.equal(client.statistics()[server.baseUrl]!.inFlight, 0);
  });

  describe('are found by the check before the work', () => {
    const check = (temperature: number, maxTokens = 64) =>
      checkEndpoints([{ baseUrl: server.baseUrl, model }], {
        ...{ environment: {}, timeoutSeconds: 60, expectModel: true },
        requests: [{ sampling: { temperature, topP: 1, maxTokens }, samples: 3 }],
      });

    it('so that the work sends what the server takes from its first request on, and says it', async () => {
      refuse((body) =>
        'n' in body || 'seed' in body ? { status: 400, body: { error: 'Bad request' } } : undefined,
      );
      assert.deepEqual(await check(0.7), []);
      const before = server.requests.length;
      await complete({ temperature: 0.7 }, { samples: 3 });
      assert.equal(server.requests.length - before, 3);
      assert.equal(notices.length, 2);
    });

    it('which sends the tokens that the work will ask for', async () => {
      refuse((body) =>
        Number(body.max_tokens) < 16 ? { status: 400, body: { error: 'give more' } } : undefined,
      );
      assert.deepEqual(await check(0), []);
    });

    it('which reports a parameter that the method needs', async () => {
      refuse((body) =>
        body.temperature === 0 ? { status: 400, body: { error: 'temperature must be above 0' } } : undefined,
      );
      assert.match((await check(0)).join(), /can't be used .*temperature must be above 0.*set a value/);
    });

    it('and is content with an endpoint that needs longer for a whole answer than for one token', async () => {
      const slow = await startPlainServer(() => ({ body: chatCompletion('x') }));
      try {
        slow.answer = ({ body }) => {
          if (body?.max_tokens === 1) return { body: chatCompletion('x') };
          // Announces more than it sends.
          return { headers: { 'content-length': '1000000' }, body: '{' };
        };
        const endpoints = [{ baseUrl: slow.baseUrl, model }];
        const requests = [{ sampling: { temperature: 0, topP: 1, maxTokens: 4096 }, samples: 1 }];
        const options = { environment: {}, timeoutSeconds: 4, expectModel: true };
        assert.deepEqual(await checkEndpoints(endpoints, { ...options, requests }), []);
      } finally {
        await slow.close();
      }
    });
  });
});
