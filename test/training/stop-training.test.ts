import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrainingStopped } from '../../src/training/errors.ts';
import { followTraining } from '../../src/training/follow-training.ts';
import type { TrainingJob } from '../../src/training/job.ts';
import { stopTrainer } from '../../src/training/stop-training.ts';

const packageRoot = resolve(import.meta.dirname, '../..');
const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const SILENT_SECONDS = 0.8;
const untilAsked = 'echo up; while [ -d "$0" ]; do sleep 0.05; done';

/** Takes more than twice as long for its checkpoint as it may show nothing. */
const saving = `
  save() { for part in 1 2 3 4 5 6 7 8 9 10; do echo part >> "$0/checkpoints/weights"; sleep 0.2; done; echo saved; exit 75; }
  trap save TERM; ${untilAsked}`;
const deaf = `trap 'echo asked' TERM; ${untilAsked}`;
/** A launcher that ends at the signal and leaves its trainer, which hears the next one. */
const leaving = `
  "$1" -c 'import signal, sys, time
from trainer.files import touch
from trainer.lease import Lease
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
print("up", flush=True)
while not stopped: time.sleep(0.05)
Lease(sys.argv[1], "token").acquire()
stopped.clear()
while not stopped:
  touch(sys.argv[1] + "/heartbeat")
  time.sleep(0.05)
print("stopped", flush=True)
' "$0" & trap 'kill $!; while [ ! -e "$0/lease.json" ]; do sleep 0.02; done; exit 143' TERM; wait`;

describe('a trainer that is to stop', function () {
  this.timeout(30_000);
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
      trainer: {
        command: ['sh', '-c', script, folder, python],
        python,
        packageRoot,
        environment: process.env,
      },
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
    await stopTrainer(folder, SILENT_SECONDS, new AbortController().signal);
  }

  it('is given its time as long as its checkpoint grows', async () => {
    assert((await abort(saving, 'stop')) instanceof TrainingStopped);
    assert.match(await log(), /saved/);
  });

  it('is given it by who follows it no more, too', async () => {
    await stopUnfollowed(saving);
    assert.match(await log(), /saved/);
  });

  it('is killed once it has shown nothing for longer than it may', async () => {
    const began = performance.now();
    assert((await abort(deaf, 'stop')) instanceof TrainingStopped);
    assert(performance.now() - began > SILENT_SECONDS * 1000);
    assert.match(await log(), /asked/);
  });

  it('is asked itself where only its launcher has heard', async () => {
    await stopUnfollowed(leaving);
    assert.match(await log(), /stopped/);
  });
});
