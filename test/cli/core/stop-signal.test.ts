import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sourceRoot } from '../../../src/platform/package-root.ts';

/** A program that goes on after its signal was aborted. Its clock stands still until a line sets it, in milliseconds. */
const SLOW_TO_STOP = `
  import { createInterface } from 'node:readline';
  import { stopSignal } from ${JSON.stringify(join(sourceRoot, 'cli', 'core', 'stop-signal.ts'))};
  let now = 0;
  performance.now = () => now;
  stopSignal().addEventListener('abort', () => console.log('stopping'));
  process.on('SIGINT', () => console.log('goes on'));
  createInterface({ input: process.stdin }).on('line', (line) => {
    now = Number(line);
    console.log('at ' + line);
  });
  console.log('ready');
`;

describe('a command that is slow to stop', function () {
  this.timeout(60_000);

  it('ends at the second Ctrl-C with exit code 130, but not by one that arrives twice', async () => {
    const program = spawn(process.execPath, ['--input-type=module', '--eval', SLOW_TO_STOP]);
    const exited = once(program, 'exit') as Promise<[number | null, string | null]>;
    const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value;
    assert.equal(await next(), 'ready');
    program.kill('SIGINT');
    assert.deepEqual([await next(), await next()], ['stopping', 'goes on']);
    program.kill('SIGINT');
    assert.equal(await next(), 'goes on');
    program.stdin.write('500\n');
    assert.equal(await next(), 'at 500');
    program.kill('SIGINT');
    assert.deepEqual(await exited, [130, null]);
  });
});
