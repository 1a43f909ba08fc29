import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifyProcess } from '../../../src/platform/process-identity.ts';
import { processJob, processLauncher } from '../../../src/models/training/launchers/process.ts';
import type { TrainingJob } from '../../../src/models/training/job.ts';
import { claimStart, recordExit, recordLaunch } from '../../../src/models/training/trainer-starts.ts';
import { TrainingMonitor } from '../../../src/models/training/training-monitor.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

describe('reading the state of a training', () => {
  it('includes the message of a trainer that ends in the meantime', async () => {
    const outputFolder = await mkdtemp(join(tmpdir(), 'watch-'));
    const training = openObjectStore(outputFolder);
    const trainer = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    try {
      const job = { outputFolder } as TrainingJob;
      await claimStart(training, { token: 'token', after: undefined, job, launcher: 'process' });
      const identity = await identifyProcess(trainer.pid!);
      assert(identity !== undefined);
      await recordLaunch(training, 'token', processJob(identity));
      // The look reads the start, then the lease: a pipe holds it up in between until something is written there.
      execFileSync('mkfifo', [join(outputFolder, 'lease.json')]);
      const look = new TrainingMonitor(training, processLauncher, 30).readState(job);
      const lease = await open(join(outputFolder, 'lease.json'), 'w');
      const exit = { exitCode: 1, message: 'diverged' };
      await recordExit(training, 'token', exit);
      trainer.kill('SIGKILL');
      await once(trainer, 'exit');
      await lease.write(JSON.stringify({ ...identity, token: 'token', renewedAt: 'now' }));
      await lease.close();
      const state = await look;
      assert.equal(state.kind, 'idle');
      assert.deepEqual(state.start?.exit, exit);
    } finally {
      trainer.kill('SIGKILL');
      await rm(outputFolder, { recursive: true });
    }
  });
});
