import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeCacheFolder } from './cache-folder.ts';
import { run, step, tryRun } from './install-step.ts';
import { SetupError } from './setup-error.ts';

const REQUIREMENTS = join(import.meta.dirname, 'uv-requirements.txt');

/**
 * Path of uv, which installs the Python environment: the one on the PATH, the cached one, or the pinned one, installed
 * by the machine's Python. Throws SetupError when there is neither uv nor a Python to install it with. Call it under
 * the environment's lock.
 */
export async function ensureUv(signal?: AbortSignal): Promise<string> {
  if ((await tryRun('uv', ['--version'])) !== undefined) return 'uv';
  const cache = makeCacheFolder();
  const version = /^uv==(\S+)/m.exec(readFileSync(REQUIREMENTS, 'utf8'))?.[1];
  const folder = join(cache, `uv-${version}`);
  const uv = join(folder, 'uv');
  if (existsSync(uv)) return uv;
  const python = await findPython();
  const options = signal === undefined ? {} : { signal };
  await step(`Installing uv ${version}`, async () => {
    const work = mkdtempSync(join(cache, 'python-installing-uv-'));
    try {
      await run(python, ['-m', 'venv', join(work, 'venv')], options).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new SetupError(`${reason}\nOn Debian or Ubuntu: apt install python3-venv. ${INSTALL_UV}`);
      });
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes'];
      await run(join(work, 'venv', 'bin', 'python'), [...pip, '-r', REQUIREMENTS], options);
      // uv is one binary that needs nothing else of that environment.
      const bin = join(work, 'bin');
      mkdirSync(bin);
      renameSync(join(work, 'venv', 'bin', 'uv'), join(bin, 'uv'));
      if (!existsSync(folder)) renameSync(bin, folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
  return uv;
}

const INSTALL_UV = 'Or install uv: https://docs.astral.sh/uv/getting-started/installation/';

async function findPython(): Promise<string> {
  for (const python of ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python']) {
    if ((await tryRun(python, ['-c', 'import sys; assert sys.version_info >= (3, 8)'])) !== undefined)
      return python;
  }
  throw new SetupError(
    `There is no Python. Install Python 3.11 or newer: https://www.python.org/downloads/\n${INSTALL_UV}`,
  );
}
