import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { sourceRoot } from '../../../src/platform/package-root.ts';

/** A program that goes on for a minute after its signal was aborted. */
const SLOW_TO_STOP = `
  import { stopSignal } from ${JSON.stringify(join(sourceRoot, 'cli', 'core', 'stop-signal.ts'))};
  stopSignal().addEventListener('abort', () => console.log('stopping'));
  setTimeout(() => undefined, 60_000);
  console.log('ready');
`;

describe('a command that is slow to stop', function () {
  this.timeout(30_000);

  it('ends at the second Ctrl-C with exit code 130, but not by one that arrives twice', async () => {
    const program = spawn(process.execPath, ['--input-type=module', '--eval', SLOW_TO_STOP]);
    const exited = once(program, 'exit') as Promise<[number | null, string | null]>;
    const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'ready');
    program.kill('SIGINT');
    assert.equal((await lines.next()).value, 'stopping');
    program.kill('SIGINT');
    await sleep(500);
    assert.equal(program.exitCode, null);
    program.kill('SIGINT');
    assert.deepEqual(await exited, [130, null]);
  });
});
