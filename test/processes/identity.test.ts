import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import {
  identifyProcess,
  isSameProcessAlive,
  processStartTime,
  processState,
} from '../../src/processes/identity.ts';

describe('the identity of a process', () => {
  it('is the same as long as the process runs, and dead once it has ended', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const identity = await identifyProcess(child.pid!);
    assert(identity !== undefined);
    assert.equal(await processStartTime(child.pid!), identity.startTime);
    assert.equal(await isSameProcessAlive(identity), true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(await isSameProcessAlive(identity), false);
    assert.equal(await identifyProcess(child.pid!), undefined);
  });

  it('is not that of another process with the same id, nor of one before the machine was started again', async () => {
    const identity = (await identifyProcess(process.pid))!;
    assert.equal(await processState(identity), 'alive');
    assert.equal(await processState({ ...identity, startTime: '1' }), 'dead');
    assert.equal(await processState({ ...identity, bootId: 'an earlier boot' }), 'dead');
  });

  it('says nothing about a process of another machine', async () => {
    const identity = { ...(await identifyProcess(process.pid))!, host: `not-${hostname()}` };
    assert.equal(await processState(identity), 'elsewhere');
    assert.equal(await isSameProcessAlive(identity), false);
  });
});
