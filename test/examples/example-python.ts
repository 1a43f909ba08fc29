import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureCacheFolder } from '../../src/cli/setup/cache-folder.ts';
import { runCommand } from '../../src/cli/setup/run-command.ts';
import { withLock } from '../../src/platform/lock-file.mjs';
import { environmentName, PYTHON_VERSIONS } from '../../src/cli/setup/python-environment.ts';
import { ensureUv } from '../../src/cli/setup/uv.ts';

/** Path of a Python with what the example in `folder` needs, pinned by its requirements.txt; kept in the cache. */
export async function ensureExamplePython(folder: string): Promise<string> {
  const requirements = join(folder, 'requirements.txt');
  const cache = ensureCacheFolder();
  const environment = join(cache, `example-${environmentName(readFileSync(requirements, 'utf8'), '')}`);
  const python = join(environment, 'bin/python');
  await withLock(join(cache, 'example-python.lock'), async () => {
    if (existsSync(python)) return;
    const uv = await ensureUv();
    const work = mkdtempSync(join(cache, 'example-installing-'));
    try {
      const venv = join(work, 'venv');
      await runCommand(uv, ['venv', '--no-project', '--relocatable', '--python', PYTHON_VERSIONS, venv]);
      const install = [
        'pip',
        'install',
        '--python',
        venv,
        '--no-deps',
        '--require-hashes',
        '-r',
        requirements,
      ];
      await runCommand(uv, install);
      rmSync(environment, { recursive: true, force: true });
      renameSync(venv, environment);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
  return python;
}
