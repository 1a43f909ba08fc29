import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileAtomically } from '../../../src/platform/atomic-write.ts';
import { identifyProcess } from '../../../src/platform/process-identity.ts';
import { TrainerUnreachable, TrainingStopped } from '../../../src/models/training/errors.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { followTraining } from '../../../src/models/training/follow-training.ts';
import type { TrainingJob } from '../../../src/models/training/job.ts';
import { stopTrainer } from '../../../src/models/training/stop-training.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
/** Longer than a trainer takes to see the request, also if the machine stops for some seconds meanwhile. */
const SILENT_SECONDS = 8;

/** The program of a trainer that holds the lease, and does what `onStop` says when it is asked to stop. */
const asTrainer = (onStop: string, beforeLease = '') => `
import json, os, sys, threading, time
from trainer.errors import Stopped
from trainer.files import touch
from trainer.lease import Lease
folder, job_file = sys.argv[1:]
token = json.load(open(job_file))["token"]
stop_requested = threading.Event()
lease = Lease(folder, token, stop_requested)
${beforeLease}
try:
  lease.acquire()
  print("up", flush=True)
  while not stop_requested.wait(0.1):
    touch(folder + "/heartbeat")
except Stopped: pass
print("asked", flush=True)
${onStop}
lease.release()
os._exit(75)
`;
/** Takes longer for its checkpoint than it may show no progress. */
const saving = asTrainer(`
for part in range(20):
  open(folder + "/checkpoints/weights", "a").write("part")
  time.sleep(0.5)
print("saved", flush=True)`);
const deaf = asTrainer('time.sleep(1000)');
/** Is not up yet when it is asked to stop. */
const starting = asTrainer(
  'print("saved", flush=True)',
  'print("up", flush=True)\nwhile not os.path.exists(folder + "/stop.json"): time.sleep(0.05)',
);

describe('stopping a trainer', function () {
  this.timeout(180_000);
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stopping-'));
    await mkdir(join(folder, 'checkpoints'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const log = () => readFile(join(folder, 'trainer.log'), 'utf8').catch(() => '');

  /** Starts a trainer and aborts what follows it. */
  async function abort(script: string, onAbort: 'stop' | 'detach'): Promise<unknown> {
    const abortion = new AbortController();
    const followed = followTraining({
      job: { outputFolder: folder } as TrainingJob,
      launcher: processLauncher,
      settings: { kind: 'process', command: [python, '-c', script, folder, '{job}'] },
      machine: { python, packageRoot, environment: process.env },
      signal: abortion.signal,
      onAbort: () => onAbort,
      pollMilliseconds: 20,
      stallLimits: { seconds: SILENT_SECONDS, firstStepSeconds: 60 },
    }).catch((error: unknown) => error);
    while (!(await log()).includes('up')) await sleep(20);
    abortion.abort();
    return followed;
  }

  async function stopUnfollowed(script: string): Promise<void> {
    await abort(script, 'detach');
    const options = { reason: 'a test', stallSeconds: SILENT_SECONDS };
    await stopTrainer(openObjectStore(folder), processLauncher, options, new AbortController().signal);
  }

  it('waits while its checkpoint grows', async () => {
    assert((await abort(saving, 'stop')) instanceof TrainingStopped);
    assert.match(await log(), /saved/);
  });

  it('waits while its checkpoint grows if nobody follows the training any more', async () => {
    await stopUnfollowed(saving);
    assert.match(await log(), /saved/);
  });

  it('kills it when it shows no progress for longer than the limit', async () => {
    const began = performance.now();
    assert((await abort(deaf, 'stop')) instanceof TrainingStopped);
    assert(performance.now() - began > SILENT_SECONDS * 1000);
    assert.match(await log(), /asked/);
  });

  it('stops it before it begins if it was still starting', async () => {
    await stopUnfollowed(starting);
    assert.match(await log(), /^up\n(?!up)[^]*saved/);
  });

  describe('on another machine', () => {
    /** A process that only renews the lease of another machine, which this test may call by its start. */
    function remoteTrainer(onStop: string): ChildProcess {
      const elsewhere = 'lease._holder["host"] = "another-machine"';
      const job = join(folder, 'job.json');
      writeFileSync(job, JSON.stringify({ token: 'remote' }));
      return spawn(python, ['-c', asTrainer(onStop, elsewhere), folder, job], {
        cwd: packageRoot,
        stdio: ['ignore', openSync(join(folder, 'trainer.log'), 'a'), 'inherit'],
      });
    }

    const stop = (leaseSeconds = 6) => {
      const options = { reason: 'a test', stallSeconds: SILENT_SECONDS, leaseSeconds };
      return stopTrainer(openObjectStore(folder), processLauncher, options, new AbortController().signal);
    };

    it('asks it to save, and waits until it has', async () => {
      const trainer = remoteTrainer('time.sleep(1); print("saved", flush=True)');
      while (!(await log()).includes('up')) await sleep(20);
      // It gives its lease back, which never expires.
      await stop(600);
      assert.match(await log(), /stop requested: a test\nasked\nsaved/);
      trainer.kill('SIGKILL');
    });

    it('has it end itself if it makes no progress', async () => {
      const trainer = remoteTrainer('time.sleep(1000)');
      const exited = once(trainer, 'exit');
      while (!(await log()).includes('up')) await sleep(20);
      await stop();
      assert.deepEqual(await exited, [null, 'SIGKILL']);
    });

    it('is done when its machine is lost, by its lease', async () => {
      const trainer = remoteTrainer('');
      while (!(await log()).includes('up')) await sleep(20);
      trainer.kill('SIGKILL');
      await stop();
      assert(existsSync(join(folder, 'lease.json')));
    });

    it('says which process to kill where if it neither ends nor stops renewing its lease', async () => {
      const lease = { ...(await identifyProcess(process.pid)), host: 'another-machine', token: 'remote' };
      const renew = () => {
        const renewed = { ...lease, renewedAt: new Date().toISOString() };
        return writeFileAtomically(join(folder, 'lease.json'), JSON.stringify(renewed));
      };
      const stopRenewing = new AbortController();
      const renewal = (async () => {
        for (; !stopRenewing.signal.aborted; await sleep(200)) await renew();
      })();
      while (!existsSync(join(folder, 'lease.json'))) await sleep(20);
      try {
        await assert.rejects(stop(), (error) => {
          assert(error instanceof TrainerUnreachable, String(error));
          assert.match(error.message, new RegExp(`on another-machine, .* kill the process ${process.pid};`));
          return true;
        });
      } finally {
        // The folder is removed next, and a renewal under way would write there.
        stopRenewing.abort();
        await renewal;
      }
    });
  });
});
