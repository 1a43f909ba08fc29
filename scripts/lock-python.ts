/** `npm run lock:python [-- --upgrade]`: writes the lock files of the Python environment, of uv and of the example, with hashes. */
import { join } from 'node:path';
import { run } from './setup/install-step.ts';
import { runScript } from './setup/run-script.ts';
import { ensureUv } from './setup/uv.ts';

const root = join(import.meta.dirname, '..');
const OPTIONS = ['--universal', '--python-version', '3.11', '--generate-hashes', '--no-header', '--quiet'];

await runScript(async () => {
  const uv = await ensureUv();
  for (const name of [
    'trainer/requirements',
    'scripts/setup/uv-requirements',
    'examples/python/requirements',
  ]) {
    const files = [`${name}.in`, '--output-file', `${name}.txt`];
    await run(uv, ['pip', 'compile', ...OPTIONS, ...process.argv.slice(2), ...files], { cwd: root });
    console.log(`${name}.txt`);
  }
});
