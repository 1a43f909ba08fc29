/** `npm run worker -- --roles workflow,inference,gpu`: a worker, with the cached Python for the model server and trainer. */
import { ensurePython } from './setup/python-environment.ts';
import { runScript } from './setup/run-script.ts';

await runScript(async () => {
  const python = await ensurePython();
  // Imported late: the set-up answers at once, before the Temporal SDK is loaded.
  const { runWorkerFromEnvironment } = await import('../src/worker.ts');
  await runWorkerFromEnvironment(process.argv.slice(2), python);
});
// Workers that the server has refused never end, and would keep the process.
process.exit();
