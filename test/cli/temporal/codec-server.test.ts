import assert from 'node:assert/strict';
import { type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { runCli, startCli } from '../../support/run-cli.ts';

const KEY = randomBytes(32).toString('base64');
const ORIGIN = 'https://temporal.example.org';
const TOKEN = 'token-of-the-codec-server';

const ENVIRONMENT = {
  TEMPORAL_ENCRYPTION_KEYS: `blue:${KEY}`,
  TEMPORAL_ENCRYPTION_KEYS_FILE: undefined,
  TEMPORAL_NAMESPACE: 'blue-team',
};

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly payloads?: readonly { readonly metadata: Record<string, string>; readonly data: string }[];
    readonly message?: string;
  };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const PLAIN = { metadata: { encoding: base64('json/plain') }, data: base64('"a secret pool"') };

describe('the command codec-server', function () {
  this.timeout(180_000);
  let server: ChildProcess | undefined;
  let address: string;
  let origins: readonly string[];
  let output = '';

  async function start(environment: NodeJS.ProcessEnv, ...options: string[]): Promise<void> {
    server = startCli(['codec-server', '--port', '0', '--json', ...options], {
      ...ENVIRONMENT,
      ...environment,
    });
    server.stderr?.on('data', (data: Buffer) => (output += data.toString()));
    const [line] = (await once(server.stdout ?? server, 'data')) as [Buffer];
    output += line.toString();
    ({ address, origins } = JSON.parse(line.toString()) as { address: string; origins: string[] });
  }

  afterEach(async () => {
    if (server?.exitCode !== null) return;
    server.kill('SIGTERM');
    const [code] = (await once(server, 'exit')) as [number];
    assert.equal(code, 0);
    assert(!output.includes(KEY) && !output.includes(TOKEN), output);
  });

  async function call(
    path: string,
    payloads: unknown,
    headers: Record<string, string> = {},
    method = 'POST',
  ): Promise<Answer> {
    const response = await fetch(`${address}${path}`, {
      method,
      headers: { 'content-type': 'application/json', 'x-namespace': 'blue-team', ...headers },
      ...(method === 'POST'
        ? { body: typeof payloads === 'string' ? payloads : JSON.stringify({ payloads }) }
        : {}),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? {} : (JSON.parse(text) as Answer['body']),
    };
  }

  describe('on this machine', () => {
    beforeEach(() => start({}, '--origin', `${ORIGIN}/`));

    it('encrypts and decrypts, and passes payloads in plain on', async () => {
      const encoded = await call('/encode', [PLAIN]);
      const [payload] = encoded.body.payloads ?? [];
      assert.equal(Buffer.from(payload?.metadata['encoding'] ?? '', 'base64').toString(), 'binary/encrypted');
      assert(!Buffer.from(payload?.data ?? '', 'base64').includes('secret'));
      const decoded = await call('/decode', [payload, PLAIN]);
      assert.deepEqual(decoded.body.payloads, [PLAIN, PLAIN]);
      assert.equal(decoded.headers.get('cache-control'), 'no-store');
    });

    it('says which key is missing', async () => {
      const metadata = { encoding: base64('binary/encrypted'), 'encryption-key-id': base64('red') };
      const { status, body } = await call('/decode', [{ metadata, data: base64('x'.repeat(40)) }]);
      assert.equal(status, 422);
      assert.match(body.message ?? '', /"red".*has only blue/);
    });

    it('serves pages of the configured origin only, also of a page that hides as the same origin', async () => {
      assert.deepEqual(origins, [ORIGIN]);
      const preflight = await call(
        '/decode',
        [],
        { origin: ORIGIN, 'access-control-request-method': 'POST' },
        'OPTIONS',
      );
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers.get('access-control-allow-origin'), ORIGIN);
      for (const header of ['content-type', 'x-namespace', 'authorization'])
        assert.match(preflight.headers.get('access-control-allow-headers') ?? '', new RegExp(header));
      assert.equal(
        (await call('/decode', [PLAIN], { origin: ORIGIN })).headers.get('access-control-allow-origin'),
        ORIGIN,
      );
      for (const origin of ['https://evil.example', 'null', address, `${ORIGIN}.evil.example`])
        for (const method of ['POST', 'OPTIONS']) {
          const refused = await call('/decode', [PLAIN], { origin }, method);
          assert.equal(refused.status, 403, `${method} ${origin}`);
          assert.equal(refused.headers.get('access-control-allow-origin'), null);
          assert.equal(refused.body.payloads, undefined);
        }
    });

    it('refuses what a form of any page could send, other paths, methods and namespaces', async () => {
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
        assert.equal((await call('/decode', [PLAIN], { 'content-type': type })).status, 415);
      assert.equal((await call('/keys', [PLAIN])).status, 404);
      assert.equal((await call('/decode', [PLAIN], {}, 'GET')).status, 405);
      assert.equal((await call('/decode', [PLAIN], { 'x-namespace': 'red-team' })).status, 403);
      // As the Temporal CLI sends it without --namespace.
      assert.equal((await call('/decode', [PLAIN], { 'x-namespace': '' })).status, 200);
    });

    it('refuses bodies that are no payloads without quoting them, and bodies that are too large', async () => {
      for (const body of [
        'secret',
        '{"payloads": 7}',
        '{"payloads": ["secret"]}',
        '{"payloads": [{"data": 7}]}',
        'null',
      ]) {
        const { status, body: answer } = await call('/decode', body);
        assert.equal(status, 400, body);
        assert.doesNotMatch(JSON.stringify(answer), /secret/);
      }
      assert.equal(
        (await call('/decode', [{ ...PLAIN, data: 'A'.repeat(9_000_000) }]).catch(() => ({ status: 413 })))
          .status,
        413,
      );
      assert.equal((await call('/decode', [PLAIN])).status, 200);
    });
  });

  it('serves the Web UI of the development server by default', async () => {
    await start({ SELF_TAUGHT_EVALUATOR_UI_PORT: '9233' });
    assert.deepEqual(origins, ['http://127.0.0.1:9233', 'http://localhost:9233']);
  });

  it('asks for its token, as the Temporal CLI sends it, before it reads a body', async () => {
    await start({ SELF_TAUGHT_EVALUATOR_CODEC_TOKEN: TOKEN }, '--host', '0.0.0.0');
    address = address.replace('0.0.0.0', '127.0.0.1');
    for (const authorization of ['', TOKEN, 'Bearer wrong', `Bearer ${TOKEN}x`])
      assert.equal((await call('/decode', 'no JSON', { authorization })).status, 401, authorization);
    assert.equal((await call('/decode', [PLAIN], { authorization: `Bearer ${TOKEN}` })).status, 200);
  });

  it('listens on this machine only', async () => {
    await start({});
    const { port } = new URL(address);
    const socket = connect(Number(port), '127.0.0.2');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
  });

  it('does not start without keys, or for other machines without a token, and says what to set', async () => {
    const refused = async (environment: NodeJS.ProcessEnv, ...options: string[]) => {
      const { code, err } = await runCli(['codec-server', ...options], { ...ENVIRONMENT, ...environment });
      assert.equal(code, 2, err);
      return err;
    };
    assert.match(await refused({ TEMPORAL_ENCRYPTION_KEYS: '' }), /no keys.*TEMPORAL_ENCRYPTION_KEYS_FILE/);
    assert.match(await refused({}, '--host', '0.0.0.0'), /SELF_TAUGHT_EVALUATOR_CODEC_TOKEN/);
    assert.match(await refused({}, '--host', '::'), /SELF_TAUGHT_EVALUATOR_CODEC_TOKEN/);
    assert.match(await refused({}, '--origin', 'temporal.example.org'), /--origin/);
    assert.match(await refused({}, '--port', '99999'), /--port/);
  });
});
