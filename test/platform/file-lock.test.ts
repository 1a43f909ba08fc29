import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLock } from '../../src/platform/file-lock.ts';

const module = JSON.stringify(join(import.meta.dirname, '../../src/platform/file-lock.ts'));

describe('a lock between processes', function () {
  this.timeout(60_000);
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lock-'));
    path = join(folder, 'a.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function program(text: string) {
    return spawn(
      process.execPath,
      ['--input-type=module', '-e', `import { withLock } from ${module}; ${text}`],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
  }

  it('lets callers in one process in one after the other, also after one that failed', async () => {
    let inside = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        withLock(path, async () => {
          assert.equal(++inside, 1);
          await new Promise(setImmediate);
          inside--;
          if (index % 2 === 0) throw new Error('failed inside');
        }),
      ),
    );
    assert.deepEqual(
      results.map((result) => result.status),
      Array.from({ length: 4 }, () => ['rejected', 'fulfilled']).flat(),
    );
    assert.equal(readdirSync(folder).length, 1);
  });

  it('tells who waits which process holds it, and ends the wait by a signal', async () => {
    const told: number[] = [];
    await withLock(path, async () => {
      const stopping = new AbortController();
      const waiting = withLock(path, async () => assert.fail('it is held'), {
        signal: stopping.signal,
        onWait: ({ pid }) => {
          told.push(pid);
          stopping.abort(new Error('enough'));
        },
      });
      await assert.rejects(waiting, /enough/);
    });
    assert.deepEqual(told, [process.pid]);
    assert.equal(await withLock(path, async () => 'free again'), 'free again');
  });

  it('loses no increment of a counter that processes raise, also when some are killed while they hold it', async () => {
    const counter = join(folder, 'counter');
    writeFileSync(counter, '0');
    const raise = `
      import { readFileSync, writeFileSync } from 'node:fs';
      const raise = () => withLock(${JSON.stringify(path)}, async () => {
        const value = Number(readFileSync(${JSON.stringify(counter)}, 'utf8'));
        await new Promise(setImmediate);
        writeFileSync(${JSON.stringify(counter)}, String(value + 1));
      });
      for (let time = 0; time < 20; time++) await raise();`;
    const die = `await withLock(${JSON.stringify(path)}, async () => process.kill(process.pid, 'SIGKILL'));`;
    const children = [raise, die, raise, die, raise].map(program);
    await Promise.all(children.map((child) => once(child, 'exit')));
    assert.equal(readFileSync(counter, 'utf8'), '60');
  });

  it('is not given to another while its holder lives, and is given at once when that is killed', async () => {
    const holder = program(
      `await withLock(${JSON.stringify(path)}, async () => { console.log('in'); await new Promise(() => setInterval(() => {}, 1000)); });`,
    );
    await once(holder.stdout, 'data');
    let entered = false;
    const waiting = withLock(path, async () => void (entered = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(entered, false);
    holder.kill('SIGKILL');
    await waiting;
    assert.equal(entered, true);
  });
});
