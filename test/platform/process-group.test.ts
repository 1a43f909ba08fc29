import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DetachedProcess,
  endOf,
  endProcessGroup,
  startDetached,
} from '../../src/platform/process-group.ts';
import {
  isSameProcessAlive,
  linuxStatFields,
  processesOfGroup,
} from '../../src/platform/process-identity.ts';

describe('a detached program', () => {
  let folder: string;
  let logFile: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'group-'));
    logFile = join(folder, 'log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const start = (script: string): Promise<DetachedProcess> =>
    startDetached({
      command: ['sh', '-c', script],
      folder,
      environment: { PATH: process.env['PATH'], WORD: 'said' },
      logFile,
    });

  it('runs in its folder with its environment, logs to its file, and reports how it ended', async () => {
    const { exited: ended, identity } = await start('echo "$WORD in $(pwd)"; echo error >&2; exit 7');
    assert.deepEqual(await ended, { code: 7, signal: null });
    assert.equal(readFileSync(logFile, 'utf8'), `said in ${folder}\nerror\n`);
    assert.equal(await isSameProcessAlive(identity), false);
  });

  it('is known to have ended, and how, even if this process stands still when it is about to be told', async () => {
    const go = join(folder, 'go');
    const { exited, identity } = await start(`until [ -e ${go} ]; do sleep 0.01; done; exit 7`);
    assert.equal(await endOf(exited, 10), undefined);
    writeFileSync(go, '');
    // Nothing is told from here on, and timers come first afterwards.
    await new Promise(setImmediate);
    while (linuxStatFields(identity.pid)?.[0] !== 'Z' && process.platform === 'linux');
    const end = endOf(exited, 10);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    assert.deepEqual(await end, { code: 7, signal: null });
    assert.equal(await endOf(undefined, 60_000), undefined);
  });

  it('reports a program that is not there', async () => {
    const missing = startDetached({ command: ['no-such-program'], folder, environment: {}, logFile });
    await assert.rejects(missing, /ENOENT/);
  });

  it('may clean up at SIGTERM, and ends with all its children', async () => {
    const { identity, exited: ended } = await start(
      "sleep 100 & trap 'echo cleaned; exit 0' TERM; echo up; wait",
    );
    while (!readFileSync(logFile, 'utf8').includes('up')) await sleep(5);
    await endProcessGroup(identity, 10);
    assert.deepEqual(await ended, { code: 0, signal: null });
    assert.equal(readFileSync(logFile, 'utf8'), 'up\ncleaned\n');
    assert.deepEqual(await processesOfGroup(identity.pid), []);
  });

  it('ends by SIGKILL where it ignores SIGTERM, also a child that outlives its leader', async () => {
    const { identity, exited: ended } = await start(
      "(trap '' TERM; echo up; while :; do sleep 1; done) & exit 0",
    );
    await ended;
    while (!readFileSync(logFile, 'utf8').includes('up')) await sleep(5);
    assert.notDeepEqual(await processesOfGroup(identity.pid), []);
    await endProcessGroup(identity, 0.1);
    assert.deepEqual(await processesOfGroup(identity.pid), []);
  });

  it('is left alone where another process has its id by now', async () => {
    const { identity } = await start('sleep 100');
    await endProcessGroup({ ...identity, startTime: '1' }, 0);
    await endProcessGroup({ ...identity, bootId: 'another' }, 0);
    assert.equal(await isSameProcessAlive(identity), true);
    await endProcessGroup(identity, 0);
    assert.equal(await isSameProcessAlive(identity), false);
  });
});
