import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ServerFailed } from '../../../src/models/serving/errors.ts';
import { processesOfGroup } from '../../../src/platform/process-identity.ts';
import { askModel, superviseServers, type SupervisedServers, until } from './supervised-servers.ts';

const program = fileURLToPath(import.meta.resolve('./fake-server.ts'));

describe('the start of a model server', function () {
  this.timeout(180_000);
  let servers: SupervisedServers;
  const opened: SupervisedServers[] = [];

  beforeEach(() => (servers = supervise()));
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  function supervise(changed: Parameters<typeof superviseServers>[0] = {}): SupervisedServers {
    const created = superviseServers(changed);
    opened.push(created);
    return created;
  }

  async function failureOf(...words: string[]): Promise<ServerFailed> {
    const error = await servers.serve(servers.settings(program, words)).then(
      () => assert.fail('it did not fail'),
      (reason: unknown) => reason,
    );
    assert(error instanceof ServerFailed, String(error));
    return error;
  }

  it('that ends early is explained by log file, command, last lines, and the error before a long traceback', async () => {
    const { message, isFinal } = await failureOf('--exit', '7');
    assert.match(
      message,
      /exit code 7 before it was ready\. Log: \S+\.log\. Command: \S+ \S+fake-server\.ts --port \d+ .*--exit 7\. Its last lines:\n/,
    );
    assert.match(
      message,
      /at frame 19\nsee root cause above\nErrors before them:\nValueError: the model could/,
    );
    assert(!message.includes('at frame 5\n'));
    assert.equal(isFinal, false);
  });

  it('is explained without what an earlier start has printed', async () => {
    await failureOf('--exit', '7');
    const [log = ''] = readdirSync(join(servers.folder, 'state')).filter((name) => name.endsWith('.log'));
    const { message } = await failureOf('--exit', '7');
    assert.equal(
      readFileSync(join(servers.folder, 'state', log), 'utf8').match(/=== .* starts at/g)?.length,
      2,
    );
    assert.equal(message.match(/could not be loaded/g)?.length, 1);
  });

  for (const status of ['400', '401', '403'])
    it(`whose first request is refused with ${status} is final, and the server is stopped`, async () => {
      const { reason, isFinal, message } = await failureOf('--refuse', status);
      assert.deepEqual([reason, isFinal], ['refused', true]);
      assert.match(message, /refuses the first short request.*Log: /s);
      assert.deepEqual(await processesOfGroup(Number(servers.starts()[0])), []);
    });

  it('whose server is overloaded for a moment is not final', async () => {
    const serving = servers.settings(program, ['--refuse', '503'], { startTimeoutSeconds: 10 });
    const error: unknown = await servers.serve(serving).catch((reason: unknown) => reason);
    assert(error instanceof ServerFailed);
    assert.deepEqual([error.reason, error.isFinal], ['model-not-ready', false]);
  });

  it("sends the server's key, wherever it is set, and shows it nowhere", async () => {
    const served = await servers.serve(servers.settings(program, ['--api-key', 'in-the-command']));
    assert.equal(served.apiKey, 'in-the-command');
    const joined = await servers.serve(servers.settings(program, ['--api-key=with-equals']));
    assert.equal(joined.apiKey, 'with-equals');

    const environment = {
      PATH: process.env['PATH'],
      VLLM_API_KEY: 'of-vllm',
      SERVER_API_KEY: 'of-the-server',
    };
    servers = supervise({ environment });
    const ofVllm = await servers.serve(servers.settings(program));
    assert.deepEqual([ofVllm.apiKey, ofVllm.apiKeyEnv], [undefined, 'VLLM_API_KEY']);
    const { VLLM_API_KEY: _, ...rest } = environment;
    servers = supervise({ environment: rest });
    const named = await servers.serve(servers.settings(program, [], { apiKeyEnv: 'SERVER_API_KEY' }));
    assert.deepEqual([named.apiKey, named.apiKeyEnv], [undefined, 'SERVER_API_KEY']);

    const { message } = await failureOf('--api-key', 'in-the-command', '--exit', '3');
    assert.match(message, /--api-key \[key\] --exit 3/);
    const shown = opened.flatMap(({ logged }) => logged).join('\n');
    assert(!/in-the-command|with-equals|of-vllm|of-the-server/.test(shown), shown);
  });

  it('ends with its wait: the server that has not become ready gets SIGTERM', async () => {
    const cancelled = new AbortController();
    const starting = servers.serve(servers.settings(program, ['--ready', join(servers.folder, 'never')]), {
      signal: cancelled.signal,
    });
    const failure = starting.catch((error: unknown) => error);
    await until(() => servers.starts().length === 1);
    cancelled.abort(new Error('the run was cancelled'));
    assert.match(String(await failure), /the run was cancelled/);
    assert.deepEqual(await processesOfGroup(Number(servers.starts()[0])), []);
    assert.deepEqual(servers.supervisor.countByState(), { starting: 0, ready: 0, failed: 0 });
  });

  it('goes on after its wait has ended, if another attempt will wait for it', async () => {
    const ready = join(servers.folder, 'never');
    const ended = new AbortController();
    const slow = servers.settings(program, ['--ready', ready]);
    const failure = servers
      .serve(slow, { signal: ended.signal, stopsOnAbort: () => false })
      .catch((error: unknown) => error);
    await until(() => servers.starts().length === 1);
    ended.abort(new Error('the worker stops'));
    assert.match(String(await failure), /the worker stops/);
    assert.equal(servers.supervisor.countByState().starting, 1);
  });

  it('fails for good after three restarts in a row that never became ready, and says meanwhile why', async () => {
    const broken = join(servers.folder, 'broken');
    const script = `test -e ${broken} && { echo "no memory left"; exit 5; }; exec "$0" "$@"`;
    const working = servers.settings(program);
    const served = await servers.serve({ ...working, command: ['sh', '-c', script, ...working.command] });
    const baseUrl = String(served.baseUrl);
    writeFileSync(broken, '');
    process.kill(Number(servers.starts()[0]), 'SIGKILL');
    await until(() => servers.supervisor.problem(baseUrl)?.includes('no memory left') ?? false);
    await until(() => !servers.supervisor.serves(baseUrl));
    const failure = servers.logged.find((line) => line.startsWith('error')) ?? '';
    assert.match(
      failure,
      /not restarted any more: it failed 3 times in a row, .*exit code 5.*no memory left/s,
    );
  });

  it('leaves a log that is bounded while the server lives', async () => {
    const served = await servers.serve(servers.settings(program));
    const log = join(servers.folder, 'state', `${served.key}.log`);
    const origin = new URL(String(served.baseUrl)).origin;
    for (let times = 0; times < 4; times++) {
      await fetch(`${origin}/control/print`, { method: 'POST' });
      await until(() => statSync(log).size < 10_000_000);
    }
    assert(statSync(`${log}.1`).size > 5_000_000);
    assert.match(readFileSync(log, 'utf8'), /^(200 OK )*\n?/);
    assert.equal(await askModel(served), `/models/seed from ${servers.starts()[0]}`);
  });
});
