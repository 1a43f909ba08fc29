/**
 * Follows a training in a process of its own, which a test runs on another machine: prints the phases, and how it ended.
 *
 *     node follow-job.ts JOB.json [SECONDS]    detaches after so many seconds
 *     node follow-job.ts JOB.json stop         stops the trainer with a checkpoint
 *
 * With HOLD_STEP in the environment a trainer that it starts waits after this step (failing_trainer.py).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { followTraining } from '../../../src/models/training/follow-training.ts';
import { trainingJobSchema } from '../../../src/models/training/job.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { stopTrainer } from '../../../src/models/training/stop-training.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

const [file = '', mode] = process.argv.slice(2);
const job = trainingJobSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const holdStep = process.env['HOLD_STEP'];
const trainer =
  holdStep === undefined
    ? ['-m', 'trainer']
    : [join(import.meta.dirname, 'failing_trainer.py'), 'hold', holdStep];
let lastPhase: string | undefined;

try {
  if (mode === 'stop') {
    const options = { reason: 'a test', stallSeconds: 60 };
    await stopTrainer(
      openObjectStore(job.outputFolder),
      processLauncher,
      options,
      new AbortController().signal,
    );
    console.log('stopped');
  } else {
    const { resumedFromSteps } = await followTraining({
      job,
      launcher: processLauncher,
      settings: { kind: 'process', command: ['{python}', ...trainer, '--job', '{job}'] },
      machine: { python, packageRoot, environment: { ...process.env, OMP_NUM_THREADS: '1' } },
      pollMilliseconds: 50,
      ...(mode === undefined ? {} : { signal: AbortSignal.timeout(1000 * Number(mode)) }),
      onAbort: () => 'detach',
      onProgress({ phase }) {
        if (phase !== lastPhase) console.log(phase);
        lastPhase = phase;
      },
    });
    console.log(`done, resumed from ${resumedFromSteps.join()}`);
  }
} catch (error) {
  console.log(String(error));
}
