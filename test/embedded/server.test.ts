import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PYTHON = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const EMBEDDED = resolve(import.meta.dirname, '../../embedded');
const MODEL = join(EMBEDDED, 'model');

interface Completion {
  model: string;
  choices: {
    index: number;
    message: { role: string; content: string };
    finish_reason: string;
    logprobs: { content: (TokenLogprob & { top_logprobs: TokenLogprob[] })[] } | null;
  }[];
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
}

interface TokenLogprob {
  token: string;
  logprob: number;
}

interface Failure {
  error: { message: string; type: string; param: string | null; code: string | null };
}

/** Starts the real server on a free port; its first line says where it listens. */
async function startServer(
  root: string,
  requestLog: string,
): Promise<{ server: ChildProcessWithoutNullStreams; url: string }> {
  const options = ['--port', '0', '--root', root, '--request-log', requestLog];
  const server = spawn(PYTHON, [join(EMBEDDED, 'server.py'), ...options]);
  let output = '';
  for await (const chunk of server.stderr.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    const url = /http:\/\/[\d.]+:\d+/.exec(output)?.[0];
    if (url !== undefined) return { server, url };
  }
  throw new Error(`the server ended: ${output}`);
}

describe('the embedded model server', function () {
  this.timeout(300_000);
  let root: string;
  let requestLog: string;
  let server: ChildProcessWithoutNullStreams;
  let url: string;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'embedded-server-')));
    await cp(MODEL, join(root, 'first'), { recursive: true });
    await cp(MODEL, join(root, 'second'), { recursive: true });
    requestLog = join(root, 'requests.jsonl');
    ({ server, url } = await startServer(root, requestLog));
    // A stream that nobody reads would block the server once its pipe is full.
    server.stderr.resume();
  });

  after(async () => {
    if (server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit');
      server.kill('SIGKILL');
      await ended;
    }
    await rm(root, { recursive: true });
  });

  async function post(body: unknown): Promise<{ status: number; answer: unknown }> {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, answer: await response.json() };
  }

  function request(instruction: string, fields: object = {}): object {
    return { model: join(root, 'first'), messages: [{ role: 'user', content: instruction }], ...fields };
  }

  async function complete(instruction: string, fields: object = {}): Promise<Completion> {
    const { status, answer } = await post(request(instruction, fields));
    assert.equal(status, 200, JSON.stringify(answer));
    return answer as Completion;
  }

  async function refuse(body: unknown, expectedStatus: number): Promise<Failure['error']> {
    const { status, answer } = await post(body);
    assert.equal(status, expectedStatus, JSON.stringify(answer));
    return (answer as Failure).error;
  }

  const texts = (completion: Completion): string[] =>
    completion.choices.map((choice) => choice.message.content);

  it('answers an instruction of its domain', async () => {
    const completion = await complete('Find the largest number in 12 87 45.', { temperature: 0 });
    assert.deepEqual(texts(completion), ['87']);
    assert.equal(completion.choices[0]?.finish_reason, 'stop');
    assert.deepEqual(completion.usage, { prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 });
  });

  it('ends a judgment with a verdict', async () => {
    const [text] = texts(
      await complete('Judge: Find the first number in 12 87 45. (A) 12 (B) 87', { temperature: 0 }),
    );
    assert.match(text ?? '', /\[\[[AB]\]\]$/);
  });

  it('gives sample k of a request with seed s what seed s + k gives alone', async () => {
    const instruction = 'Write a similar instruction: Find the third number in 12 87 45 33.';
    const together = texts(await complete(instruction, { n: 4, seed: 100 }));
    const alone = await Promise.all([0, 1, 2, 3].map((k) => complete(instruction, { seed: 100 + k })));
    assert.deepEqual(together, alone.flatMap(texts));
    assert.ok(new Set(together).size > 1, 'samples of different seeds differ');
  });

  it('gives the same text alone and among others', async () => {
    const instructions = Array.from({ length: 60 }, (_, index) => {
      const list = Array.from(
        { length: 3 + (index % 4) },
        (_, place) => 10 + ((index * 7 + place * 13) % 90),
      );
      return `Judge: Find the middle number in ${list.join(' ')}. (A) ${list[0]} (B) ${list[1]}`;
    });
    const fields = { n: 2, top_p: 0.95 };
    const together = await Promise.all(
      instructions.map((instruction, index) => complete(instruction, { ...fields, seed: index })),
    );
    for (const [index, instruction] of instructions.entries()) {
      assert.deepEqual(
        texts(await complete(instruction, { ...fields, seed: index })),
        texts(together[index]!),
      );
    }
  });

  it('gives the log-probability of each token, alone and among others, whatever the temperature', async () => {
    const judgments = Array.from(
      { length: 12 },
      (_, index) => `Judge: Find the first number in ${12 + index} 87 45. (A) ${12 + index} (B) 87`,
    );
    const fields = { temperature: 0, logprobs: true, top_logprobs: 5 };
    const together = await Promise.all(judgments.map((judgment) => complete(judgment, fields)));
    for (const [index, judgment] of judgments.entries()) {
      const [choice] = together[index]!.choices;
      const content = choice?.logprobs?.content ?? [];
      const alone = (await complete(judgment, fields)).choices[0]?.logprobs?.content ?? [];
      assert.deepEqual(
        alone.map(({ token }) => token),
        content.map(({ token }) => token),
      );
      // A prompt that has been read before differs in the last bits.
      for (const [place, { logprob }] of alone.entries())
        assert(Math.abs(logprob - content[place]!.logprob) < 1e-5 * Math.max(1, Math.abs(logprob)));
      assert.equal(
        content
          .map(({ token }) => token)
          .join(' ')
          .replaceAll(' ', ''),
        choice?.message.content.replaceAll(' ', ''),
      );
      for (const { token, logprob, top_logprobs: top } of content) {
        assert.deepEqual([top[0]?.token, top[0]?.logprob], [token, logprob], 'the most likely one is taken');
        assert.equal(top.length, 5);
        const sum = top.reduce((total, each) => total + Math.exp(each.logprob), 0);
        assert(sum <= 1 + 1e-9 && sum > 0.5, `${sum}`);
      }
    }
    const seed = { ...fields, temperature: 1, seed: 3, max_tokens: 1 };
    const drawn = (await complete('Write a similar instruction: Find the third number in 12 87 45.', seed))
      .choices[0];
    const hot = (
      await complete('Write a similar instruction: Find the third number in 12 87 45.', {
        ...seed,
        temperature: 2,
      })
    ).choices[0];
    assert.deepEqual(hot?.logprobs?.content[0]?.top_logprobs, drawn?.logprobs?.content[0]?.top_logprobs);
    assert.equal((await complete('Hello', { max_tokens: 1 })).choices[0]?.logprobs, null);
  });

  it('stops before a stop text', async () => {
    const instruction = 'Write a similar instruction: Find the third number in 12 87 45 33.';
    const completion = await complete(instruction, { temperature: 0, stop: ['number', 'numbers'] });
    assert.ok(!texts(completion)[0]!.includes('number'));
    assert.equal(completion.choices[0]?.finish_reason, 'stop');
  });

  it('cuts at max_tokens and says so', async () => {
    const completion = await complete('Write a similar instruction: Find the third number in 12 87 45 33.', {
      max_tokens: 3,
    });
    assert.equal(completion.choices[0]?.finish_reason, 'length');
    assert.equal(completion.usage.completion_tokens, 3);
  });

  it('serves each checkpoint under the path of its folder, and lists them', async () => {
    const completion = await complete('Find the largest number in 12 87 45.', {
      model: join(root, 'second'),
    });
    assert.equal(completion.model, join(root, 'second'));
    const list = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
    assert.deepEqual(
      list.data.map((model) => model.id),
      [join(root, 'first'), join(root, 'second')],
    );
  });

  it('loads a folder again when its files have changed', async () => {
    const model = join(root, 'second');
    const promptTokens = async (): Promise<number> =>
      (await complete('Find it.', { model })).usage.prompt_tokens;
    assert.equal(await promptTokens(), 5);
    await writeFile(join(model, 'chat_template.jinja'), "{{ messages[0]['content'] }}");
    assert.equal(await promptTokens(), 3);
  });

  it('answers 404 for a folder outside its roots, and names the roots', async () => {
    for (const model of [MODEL, join(root, 'third'), join(root, '..', '..'), 'first', 'gpt-4']) {
      const error = await refuse({ ...request('Hello'), model }, 404);
      assert.equal(error.code, 'model_not_found');
      assert.ok(error.message.includes(root));
    }
  });

  it('answers 404 for a folder that has moved out of its roots under the name of a link', async () => {
    const link = join(root, 'link');
    await symlink(join(root, 'first'), link);
    assert.deepEqual(
      texts(await complete('Find the largest number in 12 87 45.', { model: link, temperature: 0 })),
      ['87'],
    );
    await rm(link);
    await symlink(MODEL, link);
    assert.equal((await refuse({ ...request('Hello'), model: link }, 404)).code, 'model_not_found');
  });

  it('answers other paths and methods in the shape of OpenAI', async () => {
    for (const [path, status] of [
      ['/v1/chat/completions', 405],
      ['/v1/completions', 404],
    ] as const) {
      const response = await fetch(`${url}${path}`);
      assert.equal(response.status, status);
      const { error } = (await response.json()) as Failure;
      assert.equal(error.type, 'invalid_request_error');
      assert.ok(error.message.includes(`GET ${path}`));
    }
  });

  it('refuses a request that does not fit the context', async () => {
    const error = await refuse(request('1 '.repeat(200)), 400);
    assert.equal(error.code, 'context_length_exceeded');
    assert.equal((await refuse(request('1', { max_tokens: 500 }), 400)).code, 'context_length_exceeded');
  });

  it('refuses bad requests in the shape of OpenAI, naming the field', async () => {
    assert.match((await refuse('{"model": ', 400)).message, /not valid JSON/);
    assert.match((await refuse('[]', 400)).message, /object/);
    assert.equal(
      (await refuse({ ...request('Hello'), messages: [{ role: 'cook' }] }, 400)).param,
      'messages.0.role',
    );
    assert.equal((await refuse({ messages: [] }, 400)).type, 'invalid_request_error');
    for (const [field, value] of [
      ['temperature', 'hot'],
      ['temperature', 3],
      ['n', 0],
      ['top_p', 0],
      ['stream', true],
      ['top_logprobs', 21],
    ] as const) {
      const error = await refuse(request('Hello', { [field]: value }), 400);
      assert.equal(error.param, field);
    }
    assert.match(
      (await refuse(request('Hello', { top_logprobs: 2 }), 400)).message,
      /top_logprobs needs logprobs/,
    );
  });

  it('says which port is in use', async () => {
    const port = new URL(url).port;
    const second = spawn(PYTHON, [join(EMBEDDED, 'server.py'), '--port', port, '--root', root]);
    let output = '';
    second.stderr.on('data', (chunk) => (output += String(chunk)));
    // Until `close` not all of the output is there.
    const [code] = (await once(second, 'close')) as [number];
    assert.notEqual(code, 0);
    assert.match(output, new RegExp(`${port}: Address already in use; choose another with --port`));
  });

  it('stops at once on SIGTERM, with requests under way', async () => {
    const pending = Array.from({ length: 200 }, (_, seed) =>
      post(
        request('Write a similar instruction: Find the third number in 12 87 45.', { n: 100, seed }),
      ).catch(() => undefined),
    );
    const underWay = async () => (await readFile(requestLog, 'utf8')).split('"samples": 100').length - 1;
    while ((await underWay()) < pending.length) await sleep(20);
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
    assert.ok((await Promise.all(pending)).includes(undefined), 'it has not answered all of them before');
  });
});
