/**
 * `npm run lock:python [-- --upgrade]`: writes the lock files, with hashes, of the Python environment, of the one with vLLM, of uv
 * and of the Python example, and the licences of all locked packages.
 */
import { join } from 'node:path';
import { runCommand } from '../src/cli/setup/run-command.ts';
import { writePythonLicences } from './licences/python-licences.ts';
import { runTool } from './setup/run-tool.ts';
import { ensureUv } from '../src/cli/setup/uv.ts';

const root = join(import.meta.dirname, '..');
const OPTIONS = ['--generate-hashes', '--no-header', '--quiet'];
const ANYWHERE = ['--universal', '--python-version', '3.11'];
/** vLLM and what it needs of CUDA exist for few systems. */
const FOR_GPUS = ['--python-platform', 'x86_64-manylinux_2_35', '--python-version', '3.12'];
const LOCKS = {
  'trainer/requirements': ANYWHERE,
  'trainer/vllm-requirements': FOR_GPUS,
  'trainer/uv-requirements': ANYWHERE,
  'examples/python/requirements': ANYWHERE,
};

await runTool(async () => {
  const uv = await ensureUv();
  for (const [name, platform] of Object.entries(LOCKS)) {
    const files = [`${name}.in`, '--output-file', `${name}.txt`];
    await runCommand(uv, ['pip', 'compile', ...platform, ...OPTIONS, ...process.argv.slice(2), ...files], {
      cwd: root,
    });
    console.log(`${name}.txt`);
  }
  await writePythonLicences(uv);
});
