import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  identifyProcess,
  isSameProcessAlive,
  processesOfGroup,
  processStartTime,
  processState,
} from '../../src/platform/process-identity.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { startMachine, whyNoMachines, type Machine } from '../support/machines.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';

/** Ends its first thread alone, by the system call that is numbered so; another thread goes on. */
const ENDS_ITS_FIRST_THREAD = `
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(100,)).start()
ctypes.CDLL(None).syscall(93 if platform.machine() == 'aarch64' else 60, 0)
`;

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

  it('is alive until its last thread has ended, although Linux calls it a zombie before', async function () {
    // Elsewhere a process whose first thread has ended is not called a zombie.
    if (process.platform !== 'linux') this.skip();
    const child = spawn(python, ['-c', ENDS_ITS_FIRST_THREAD], { detached: true, stdio: 'ignore' });
    const identity = await identifyProcess(child.pid!);
    assert(identity !== undefined);
    while (!/\) Z /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8'))) await sleep(5);
    assert.equal(await isSameProcessAlive(identity), true);
    assert.deepEqual(await processesOfGroup(child.pid!), [child.pid]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(await isSameProcessAlive(identity), false);
    assert.deepEqual(await processesOfGroup(child.pid!), []);
  });

  it('is not that of another process with the same id', async () => {
    const identity = (await identifyProcess(process.pid))!;
    assert.equal(await processState(identity), 'alive');
    assert.equal(await processState({ ...identity, startTime: '1' }), 'dead');
  });

  it('says nothing about a process of another machine, boot or container', async () => {
    const identity = (await identifyProcess(process.pid))!;
    for (const other of [
      { host: `not-${hostname()}` },
      { bootId: 'an earlier boot, or another machine of this name' },
      { pidNamespace: 'pid:[1]/1' },
    ]) {
      assert.equal(await processState({ ...identity, ...other }), 'remote');
      assert.equal(await isSameProcessAlive({ ...identity, ...other }), false);
    }
  });

  it('is written alike by the trainer', async () => {
    const script =
      'import json, sys; from trainer.lease import identify; print(json.dumps(identify(int(sys.argv[1]))))';
    const printed = execFileSync(python, ['-c', script, String(process.pid)], {
      cwd: packageRoot,
      encoding: 'utf8',
    });
    assert.deepEqual(JSON.parse(printed), await identifyProcess(process.pid));
  });

  it('differs between two containers of the same host name', async function () {
    const reason = whyNoMachines();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    const script = `
      const { identifyProcess, processState } = await import('./src/platform/process-identity.ts');
      if (process.argv[1] === undefined) console.log(JSON.stringify(await identifyProcess(1)));
      else console.log(await processState(JSON.parse(process.argv[1])));`;
    const inMachine = async (machine: Machine, ...other: string[]): Promise<string> => {
      const command = [process.execPath, '--input-type=module', '-e', script, ...other];
      const { child } = machine.spawn(command, { cwd: packageRoot, stdio: ['ignore', 'pipe', 'inherit'] });
      return (await text(child.stdout!)).trim();
    };
    const containers = [await startMachine('pod'), await startMachine('pod')] as const;
    try {
      const [one, other] = containers;
      const identity = await inMachine(one);
      assert.deepEqual(
        [await inMachine(one, identity), await inMachine(other, identity)],
        ['alive', 'remote'],
      );
    } finally {
      await Promise.all(containers.map((machine) => machine.kill()));
    }
  });
});
