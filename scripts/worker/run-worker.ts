import { type WorkerOptions } from '../../src/worker-options.ts';
import { settingsFrom } from '../../src/worker-settings.ts';
import { orHere } from '../follow/connect.ts';
import { ensurePython } from '../setup/python-environment.ts';

/**
 * Runs a worker with the cached Python for model servers and the trainer, until it is told to stop.
 * @throws SettingError, SetupError
 */
export async function runWorkerHere(options: WorkerOptions, json: boolean): Promise<void> {
  // A wrong option is told before anything is installed.
  const wanted = settingsFrom(options, '', process.env);
  const settings = {
    ...wanted,
    temporal: orHere(wanted.temporal, process.env),
    python: await ensurePython(),
  };
  const { roles, taskQueue, storeRoot, python, version } = settings;
  if (json) console.log(JSON.stringify({ roles, taskQueue, storeRoot, python, version }));
  // Imported late: the set-up answers at once, before the Temporal SDK is loaded.
  const { runWorker } = await import('../../src/worker.ts');
  await runWorker(settings);
}
