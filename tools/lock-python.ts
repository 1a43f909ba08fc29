/**
 * `npm run lock:python [-- --upgrade]`: writes the lock files, with hashes, of the Python environment, of uv and of the Python
 * example, and the licences of all locked packages.
 */
import { join } from 'node:path';
import { runCommand } from '../src/cli/setup/run-command.ts';
import { writePythonLicences } from './licences/python-licences.ts';
import { runTool } from './setup/run-tool.ts';
import { ensureUv } from '../src/cli/setup/uv.ts';

const root = join(import.meta.dirname, '..');
const OPTIONS = ['--universal', '--python-version', '3.11', '--generate-hashes', '--no-header', '--quiet'];

await runTool(async () => {
  const uv = await ensureUv();
  for (const name of ['trainer/requirements', 'trainer/uv-requirements', 'examples/python/requirements']) {
    const files = [`${name}.in`, '--output-file', `${name}.txt`];
    await runCommand(uv, ['pip', 'compile', ...OPTIONS, ...process.argv.slice(2), ...files], { cwd: root });
    console.log(`${name}.txt`);
  }
  await writePythonLicences(uv);
});
