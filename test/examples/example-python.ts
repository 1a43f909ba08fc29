import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeCacheFolder } from '../../scripts/setup/cache-folder.ts';
import { run } from '../../scripts/setup/install-step.ts';
import { withLock } from '../../scripts/setup/lock.mjs';
import { environmentName, PYTHON_VERSIONS } from '../../scripts/setup/python-environment.ts';
import { ensureUv } from '../../scripts/setup/uv.ts';

/** Path of a Python with what the example in `folder` needs, pinned by its requirements.txt; kept in the cache. */
export async function ensureExamplePython(folder: string): Promise<string> {
  const requirements = join(folder, 'requirements.txt');
  const cache = makeCacheFolder();
  const environment = join(cache, `example-${environmentName(readFileSync(requirements, 'utf8'), '')}`);
  const python = join(environment, 'bin/python');
  await withLock(join(cache, 'example-python.lock'), async () => {
    if (existsSync(python)) return;
    const uv = await ensureUv();
    const work = mkdtempSync(join(cache, 'example-installing-'));
    try {
      const venv = join(work, 'venv');
      await run(uv, ['venv', '--no-project', '--relocatable', '--python', PYTHON_VERSIONS, venv]);
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
      await run(uv, install);
      rmSync(environment, { recursive: true, force: true });
      renameSync(venv, environment);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
  return python;
}
