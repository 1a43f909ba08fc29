import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLock } from '../../src/platform/lock-file.mjs';

describe('withLock', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lock-'));
    path = join(folder, 'a.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('lets one in after the other, also when the first fails', async () => {
    const events: string[] = [];
    const first = withLock(path, async () => {
      events.push('first begins');
      await new Promise((resolve) => setTimeout(resolve, 50));
      events.push('first ends');
      throw new Error('broken');
    });
    const second = withLock(path, () => Promise.resolve(events.push('second')));
    await assert.rejects(first, /broken/);
    await second;
    assert.deepEqual(events, ['first begins', 'first ends', 'second']);
    assert(!existsSync(path));
  });

  it('takes over from a holder that has not touched it for long', async () => {
    writeFileSync(path, '');
    const longAgo = new Date(Date.now() - 120_000);
    utimesSync(path, longAgo, longAgo);
    assert.equal(await withLock(path, () => Promise.resolve('done')), 'done');
  });

  it('stops waiting when it is told to', async () => {
    writeFileSync(path, '');
    const waiting = withLock(path, () => Promise.resolve('done'), AbortSignal.timeout(20));
    await assert.rejects(waiting, { name: 'AbortError' });
  });
});
