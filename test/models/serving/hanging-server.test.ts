import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { processesOfGroup } from '../../../src/platform/process-identity.ts';
import { askModel, superviseServers, type SupervisedServers, until } from './supervised-servers.ts';

const program = fileURLToPath(import.meta.resolve('./engine-server.ts'));
/** Short, so that the tests are; a busy machine needs some seconds for an answer. */
const hangTimeoutSeconds = 6;

describe('a model server whose front says that it is healthy', function () {
  this.timeout(240_000);
  let servers: SupervisedServers;
  let answeredAt: number | undefined;

  beforeEach(() => {
    answeredAt = undefined;
    servers = superviseServers({ answeredAt: () => answeredAt });
  });
  afterEach(() => servers.close());

  const serve = (...words: string[]) =>
    servers.serve(servers.settings(program, words, { hangTimeoutSeconds }));

  const pids = (start: number): { front: number; engine: number } => {
    const [front = 0, engine = 0] = (servers.starts().at(start) ?? '').split(' ').map(Number);
    return { front, engine };
  };

  for (const [name, words, sign] of [
    ['its metrics stand still', ['--metrics'], /its metrics stand still/],
    ['its processes do nothing', [], /its processes do nothing/],
  ] as const)
    it(`is replaced under the same address when its engine is stopped: ${name}`, async () => {
      const served = await serve(...words);
      const { front, engine } = pids(0);
      process.kill(engine, 'SIGSTOP');
      const unanswered = askModel(served);
      await until(() => servers.starts().length > 1);
      assert.equal(await unanswered, undefined);
      await until(async () => (await askModel(served)) === `from ${pids(-1).front}`);
      assert.deepEqual(await processesOfGroup(front), []);
      const fault = servers.logged.find((line) => line.includes('it hangs'));
      assert.match(fault ?? '', sign);
      assert.match(fault ?? '', /its health path answers, but no request for \d+ s/);
    });

  /** Three requests that it works on one after the other, and the short request in between waits for them all. */
  const askSlowly = async (words: string[], onAnswer = () => undefined as void) => {
    const served = await serve('--answer-seconds', String(1.5 * hangTimeoutSeconds), ...words);
    const answers = Array.from({ length: 3 }, async () => {
      const answer = await askModel(served);
      onAnswer();
      return answer;
    });
    assert.deepEqual(new Set(await Promise.all(answers)), new Set([`from ${pids(0).front}`]));
    assert.equal(servers.starts().length, 1, servers.logged.join('\n'));
  };

  it('is not replaced while its metrics move, however long an answer takes', async () => {
    await askSlowly(['--metrics']);
  });

  it('is not replaced while its processes work, however long an answer takes', async () => {
    await askSlowly(['--busy']);
  });

  it('is not replaced while others get answers', async () => {
    const answered = setInterval(() => (answeredAt = performance.now()), 1000);
    await askSlowly([]).finally(() => clearInterval(answered));
  });

  it('is not replaced while nobody asks it', async () => {
    const served = await serve();
    const { front } = pids(0);
    // Sends its short request twice in the meantime.
    const end = performance.now() + 2000 * hangTimeoutSeconds;
    await until(() => performance.now() > end);
    assert.equal(await askModel(served), `from ${front}`);
    assert.equal(servers.starts().length, 1, servers.logged.join('\n'));
  });
});
