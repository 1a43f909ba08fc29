import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { TrainingMonitor } from '../../../src/models/training/training-monitor.ts';
import { recordRunning, runningSeconds } from '../../../src/models/training/trainer-starts.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const ACQUIRE = `
import sys, threading
from trainer.lease import Lease
Lease(sys.argv[1], 'own', threading.Event()).acquire()
`;

describe("a trainer's lease", function () {
  this.timeout(180_000);
  let folder: string;
  let renewal: NodeJS.Timeout | undefined;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'lease-'))));
  afterEach(() => {
    clearInterval(renewal);
    rmSync(folder, { recursive: true });
  });

  const LEASE_SECONDS = 1;
  const HOUR = 3_600_000;

  /** Writes the lease of a trainer on another machine, whose clock differs from this one's. */
  function renew(clockAheadMs: number): string {
    const renewedAt = new Date(Date.now() + clockAheadMs).toISOString();
    const lease = { host: 'another', bootId: 'b', pid: 1, startTime: '1', token: 'remote', renewedAt };
    writeFileSync(join(folder, 'lease.tmp'), JSON.stringify(lease));
    renameSync(join(folder, 'lease.tmp'), join(folder, 'lease.json'));
    return renewedAt;
  }

  function keepRenewing(clockAheadMs: number): void {
    renew(clockAheadMs);
    renewal = setInterval(() => renew(clockAheadMs), 100);
  }

  /** The state of the training once it is another one than `training`, or after the time. */
  async function stateAfter(seconds: number, leaseSeconds = LEASE_SECONDS): Promise<string> {
    const monitor = new TrainingMonitor(openObjectStore(folder), processLauncher, leaseSeconds);
    for (const deadline = performance.now() + 1000 * seconds; performance.now() < deadline; await sleep(50)) {
      const { kind } = await monitor.readTrainer();
      if (kind !== 'training') return kind;
    }
    return 'training';
  }

  async function acquire(): Promise<{ code: number | null; errors: string }> {
    const child = spawn(python, ['-c', ACQUIRE, folder], {
      cwd: packageRoot,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [errors, [code]] = await Promise.all([
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ]);
    return { code, errors };
  }

  for (const [clock, ahead] of [
    ['is right', 0],
    ['is an hour ahead', HOUR],
    ['is an hour behind', -HOUR],
  ] as const) {
    it(`is valid as long as it is renewed if the clock of the other machine ${clock}`, async () => {
      keepRenewing(ahead);
      assert.equal(await stateAfter(2 * LEASE_SECONDS), 'training');
      const { errors } = await acquire();
      assert.match(errors, /process 1 on another holds this folder/);
    });

    it(`has expired when nobody has seen a renewal for its time if the clock ${clock}`, async () => {
      const renewedAt = renew(ahead);
      assert.equal(await stateAfter(Infinity), 'idle');
      mkdirSync(join(folder, 'starts/remote'), { recursive: true });
      const silence = { sign: renewedAt, seconds: 29 };
      writeFileSync(join(folder, 'starts/remote/silence.json'), JSON.stringify(silence));
      const { code, errors } = await acquire();
      assert.equal(code, 0, errors);
      assert.match(readFileSync(join(folder, 'lease.json'), 'utf8'), /"token": "own"/);
    });
  }

  it('is not taken from a trainer that was silent for a while, and then renews it', async () => {
    mkdirSync(join(folder, 'starts/remote'), { recursive: true });
    const silence = { sign: renew(0), seconds: 29 };
    writeFileSync(join(folder, 'starts/remote/silence.json'), JSON.stringify(silence));
    await sleep(10);
    renew(0);
    assert.equal(await stateAfter(0.5, 20), 'training');
  });

  it('measures how long its trainer has run by the times of the file system, whatever the time here', async () => {
    await recordRunning(openObjectStore(folder), 'remote');
    renew(HOUR);
    const began = new Date('2001-01-01T00:00:00Z');
    utimesSync(join(folder, 'starts', 'remote', 'running.json'), began, began);
    const renewed = new Date(began.getTime() + 90_000);
    utimesSync(join(folder, 'lease.json'), renewed, renewed);
    const start = { token: 'remote', runningSince: began.getTime() };
    assert.equal(await runningSeconds(openObjectStore(folder), start), 90);
    assert.equal(
      await runningSeconds(openObjectStore(folder), { ...start, token: 'next' }),
      0,
      'it has no lease yet',
    );
  });

  it('waits for the lock of a trainer that is being ended', async () => {
    const hold =
      'import fcntl, sys, time; file = open(sys.argv[1], "w"); fcntl.flock(file, fcntl.LOCK_EX); print("up"); time.sleep(60)';
    const holder = spawn(python, ['-u', '-c', hold, join(folder, 'lease.json.lock')]);
    await once(holder.stdout, 'data');
    const acquiring = spawn(python, ['-c', ACQUIRE, folder], { cwd: packageRoot });
    const ended = once(acquiring, 'exit');
    await sleep(1000);
    assert.equal(acquiring.exitCode, null);
    holder.kill('SIGKILL');
    assert.deepEqual(await ended, [0, null]);
  });
});
