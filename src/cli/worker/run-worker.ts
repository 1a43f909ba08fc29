import { type WorkerOptionTexts } from '../../worker/options.ts';
import { parseWorkerSettings } from '../../worker/settings.ts';
import { withDefaultAddress } from '../temporal/connect.ts';
import { ensurePython, vllmPythonPath } from '../setup/python-environment.ts';
import { printJson } from '../core/output.ts';

/**
 * Runs a worker until it is stopped. Its model servers and trainer use the Python of the set-up.
 * @throws SettingError, SetupError
 */
export async function runWorkerCommand(options: WorkerOptionTexts, json: boolean): Promise<void> {
  // Options are checked before anything is installed.
  const parsed = parseWorkerSettings(options, '', process.env);
  const settings = {
    ...parsed,
    temporal: withDefaultAddress(parsed.temporal, process.env),
    python: await ensurePython(),
    vllmPython: vllmPythonPath(),
  };
  const { roles, taskQueue, storeRoot, python, deploymentVersion: version } = settings;
  if (json) printJson({ roles, taskQueue, storeRoot, python, version });
  // Imported here because loading the Temporal SDK takes long: the set-up starts before.
  const { runWorker } = await import('../../worker.ts');
  await runWorker(settings);
}
