import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineGpus, type GpuUse } from '../../../src/models/gpus/machine-gpus.ts';
import { visibleGpus } from '../../../src/models/gpus/visible-gpus.ts';
import { identifyProcess } from '../../../src/platform/process-identity.ts';

/** For the test that waits until a lease has expired; in the others none does, however slow the machine is. */
const SHORT_HOLD_SECONDS = 2;

describe('the GPUs of a machine', function () {
  this.timeout(120_000);
  let folder: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gpus-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });

  const machine = (...devices: string[]) => new MachineGpus(folder, devices);
  const hastyMachine = () => new MachineGpus(folder, [], SHORT_HOLD_SECONDS);
  const use = (runName: string, purpose: string, gpus?: number): GpuUse => ({
    ...{ runName, owner: runName, purpose },
    ...(gpus === undefined ? {} : { gpus }),
  });

  it('belong to one run at a time; another one waits, is told why, and gets them in the order of asking', async () => {
    const gpus = machine();
    const first = await gpus.acquire(use('first', 'trains M_1'));
    assert.deepEqual(first.environment, {});
    const reasons: string[] = [];
    const order: string[] = [];
    const ask = async (runName: string) => {
      const onWait = (reason: string) => reasons.push(reason);
      const lease = await gpus.acquire(use(runName, 'serves M_0'), { onWait });
      order.push(runName);
      return lease;
    };
    const second = ask('second');
    await waitUntil(() => reasons.length > 0);
    const third = ask('third');
    await waitUntil(() => reasons.length > 1);
    assert.equal(reasons[0], 'run first trains M_1');
    assert.equal(await gpus.usedByOthers('second'), 'run first trains M_1');
    await first.release();
    await (await second).release();
    await (await third).release();
    assert.deepEqual(order, ['second', 'third']);
    assert.equal(await gpus.usedByOthers('second'), undefined);
  });

  it('are shared by the uses of one run, which goes before those that wait for it', async () => {
    const gpus = machine('0');
    await gpus.acquire(use('a', 'serves M_0'));
    const { promise: waits, resolve } = Promise.withResolvers<void>();
    const other = gpus.acquire(use('b', 'trains M_1'), { onWait: () => resolve() });
    await waits;
    await gpus.acquire(use('a', 'trains M_1'));
    await gpus.release('a');
    await (await other).release();
  });

  it('are free again for the run if one of its uses replaces the others', async () => {
    const gpus = machine('0', '1', '2');
    const devices = async (purpose: string) =>
      (await gpus.acquire(use('a', purpose, 1))).environment['CUDA_VISIBLE_DEVICES'];
    assert.deepEqual([await devices('serves M_0'), await devices('serves M_1')], ['0', '1']);
    await gpus.release('a', 'serves M_1');
    assert.deepEqual(
      [await devices('serves M_1'), await devices('trains M_2'), await devices('serves M_2')],
      ['1', '0', '2'],
    );
  });

  it('are divided if runs ask for some of them', async () => {
    const gpus = machine('0', '1', '2', '3');
    const devices = async (...asked: Parameters<typeof use>) =>
      (await gpus.acquire(use(...asked))).environment['CUDA_VISIBLE_DEVICES'];
    assert.equal(await devices('a', 'serves M_0', 1), '0');
    assert.equal(await devices('a', 'trains M_1', 2), '1,2');
    assert.equal(await devices('b', 'serves M_0', 1), '3');
    assert.equal(await devices('a', 'trains M_1', 2), '1,2', 'the second attempt of an activity');
  });

  it('are left alone by a run that serves on other machines', async () => {
    const gpus = machine('0');
    await gpus.acquire(use('a', 'serves M_0'));
    const lease = await gpus.acquire(use('b', 'serves M_0', 0));
    assert.deepEqual(lease.environment, {});
    await lease.release();
    assert.equal(await gpus.usedByOthers('a'), undefined);
  });

  it('stay with the trainer though the worker that started it is gone, and are free when both are', async () => {
    const trainer = spawn('sleep', ['600'], { stdio: 'ignore' });
    children.push(trainer);
    const lease = await hastyMachine().acquire(use('killed', 'trains M_1'));
    await lease.keepFor((await identifyProcess(trainer.pid as number))!);
    lease.leave(); // As by a worker that is killed: nothing renews it any more.
    let reason: string | undefined;
    const onWait = (text: string) => (reason = text);
    const waiting = hastyMachine().acquire(use('next', 'trains M_1'), { onWait });
    await sleep(1000 * (SHORT_HOLD_SECONDS + 1));
    reason = undefined;
    await waitUntil(() => reason !== undefined);
    assert.equal(reason, 'run killed trains M_1');
    const exited = once(trainer, 'exit');
    trainer.kill('SIGKILL');
    await exited;
    await (await waiting).release();
  });

  it('wait for the next attempt of a run whose trainer has died', async () => {
    const lease = await machine().acquire(use('resumed', 'trains M_1'));
    lease.leave();
    let isWaiting = false;
    const other = machine().acquire(use('other', 'trains M_1'), { onWait: () => (isWaiting = true) });
    await waitUntil(() => isWaiting);
    const again = await machine().acquire(use('resumed', 'trains M_1'));
    await again.release();
    await (await other).release();
  });

  it('are waited for by a command, which says whose they are and gives up its place when it is interrupted', async () => {
    const gpus = machine();
    const held = await gpus.acquire(use('a', 'trains M_1'));
    const interrupt = new AbortController();
    const lines: string[] = [];
    const command = { ...use('judge 1', 'serves M_0'), command: 'the command judge' };
    const waiting = assert.rejects(
      gpus.acquireForCommand(command, (line) => lines.push(line), interrupt.signal),
      { name: 'AbortError' },
    );
    await waitUntil(() => lines.length > 0);
    assert.match(lines[0] ?? '', /^It waits for the GPUs of this machine: run a trains M_1\. Ctrl-C/);
    const reasons: string[] = [];
    const next = gpus.acquire(use('b', 'trains M_1'), { onWait: (reason) => reasons.push(reason) });
    await waitUntil(() => reasons.length > 0);
    interrupt.abort();
    await waiting;
    await held.release();
    await (await next).release();
    assert.equal(lines.length, 1, 'it says once what it waits for');
    assert(!reasons.includes('the command judge is first in the queue'));
  });

  it('are shared by commands that use the same server, for which a run waits', async () => {
    const gpus = machine();
    const never = new AbortController().signal;
    const command = (owner: string) => ({
      ...use('judge 1', 'serves M_0'),
      owner,
      command: 'the command judge',
    });
    await gpus.acquireForCommand(command('first'), () => undefined, never);
    await gpus.acquireForCommand(command('second'), () => undefined, never);
    await gpus.release('first');
    let reason: string | undefined;
    const run = gpus.acquire(use('a', 'trains M_1'), { onWait: (text) => (reason = text) });
    await waitUntil(() => reason !== undefined);
    assert.equal(reason, 'the command judge serves M_0');
    await gpus.release('second');
    await (await run).release();
  });

  it('are those that CUDA programs of the worker see', () => {
    assert.deepEqual(visibleGpus({ CUDA_VISIBLE_DEVICES: '2, GPU-5' }), ['2', 'GPU-5']);
    assert.deepEqual(visibleGpus({ CUDA_VISIBLE_DEVICES: '' }), []);
    assert.deepEqual(visibleGpus({ CUDA_VISIBLE_DEVICES: '-1' }), []);
  });
});

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}
