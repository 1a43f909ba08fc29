import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureCacheFolder } from '../../src/cli/setup/cache-folder.ts';
import { runCommand, withProgressLog } from '../../src/cli/setup/run-command.ts';
import { ensureUv } from '../../src/cli/setup/uv.ts';

const PACKAGE = 'bespokelabs-curator==0.1.31';

/** Path of a Python in a cached environment with bespokelabs-curator, which is installed if it is missing. */
export async function ensureCuratorPython(): Promise<string> {
  const environment = join(ensureCacheFolder(), PACKAGE.replace('==', '-'));
  const python = join(environment, 'bin', 'python');
  const installed = join(environment, 'installed');
  if (existsSync(installed)) return python;
  const uv = await ensureUv();
  await withProgressLog(`Installing ${PACKAGE}`, async () => {
    await runCommand(uv, ['venv', '--no-project', '--clear', '--python', '>=3.11,<3.14', environment]);
    await runCommand(uv, ['pip', 'install', '--python', environment, '--compile-bytecode', PACKAGE]);
    await writeFile(installed, '');
  });
  return python;
}
