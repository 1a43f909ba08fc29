import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DetachedProcess, endProcessGroup, startDetached } from '../../src/platform/process-group.ts';
import { isSameProcessAlive, processesOfGroup } from '../../src/platform/process-identity.ts';

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
