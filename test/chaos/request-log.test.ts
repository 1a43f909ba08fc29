import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countRequests, RequestLog } from '../../tools/chaos/request-log.ts';

describe('the count of records that were requested again', () => {
  let folder: string;
  let file: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'request-log-'));
    file = join(folder, 'requests.jsonl');
  });

  after(() => rm(folder, { recursive: true }));

  const asked = (id: string, milliseconds: number, seed: number, samples = 1, maxTokens = 8) => ({
    ...{ event: 'asked', id, milliseconds, model: 'm', prompt: 'p' },
    ...{ seed, samples, maxTokens },
  });
  const answered = (id: string, milliseconds: number) => ({ event: 'answered', id, milliseconds });
  const write = (...lines: object[]) =>
    writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

  it('counts each sample of a request as a record, by its seed', async () => {
    await write(asked('a', 0, 10, 3), answered('a', 1), asked('b', 2, 12, 2), answered('b', 3));
    assert.deepEqual(countRequests(file, []), { records: 4, repeated: 1, repeatedAfterKill: 0 });
  });

  it('distinguishes requests in flight at a kill from those answered long before', async () => {
    await write(
      asked('long before', 0, 1),
      answered('long before', 1_000),
      asked('in flight', 4_000, 2),
      asked('answered by a server that lived on', 4_000, 3),
      answered('answered by a server that lived on', 6_000),
      ...[1, 2, 3].map((seed) => asked(`again ${seed}`, 9_000, seed)),
    );
    assert.deepEqual(countRequests(file, [{ from: 5_000, to: 5_000 }]), {
      records: 3,
      repeated: 3,
      repeatedAfterKill: 2,
    });
    assert.deepEqual(countRequests(file, []), { records: 3, repeated: 3, repeatedAfterKill: 0 });
  });

  it('ignores canary requests, and lines truncated by a kill', async () => {
    await write(asked('canary', 0, 1, 1, 1), asked('canary again', 1, 1, 1, 1), asked('a', 2, 1));
    await writeFile(file, '{"event":"asked","id":"to', { flag: 'a' });
    assert.deepEqual(countRequests(file, []), { records: 1, repeated: 0, repeatedAfterKill: 0 });
  });

  it('reads the log of the scripted server', async () => {
    await rm(file);
    const log = new RequestLog(file);
    for (const content of ['one', 'two', 'two']) {
      const messages = [{ role: 'user', content }];
      log.answered(log.asked({ model: 'm', messages, seed: 1, samples: 2, maxTokens: 8 }));
    }
    assert.deepEqual(countRequests(file, []), { records: 4, repeated: 2, repeatedAfterKill: 0 });
  });
});
