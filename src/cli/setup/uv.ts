import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureCacheFolder } from './cache-folder.ts';
import { runCommand, withProgressLog, tryRunCommand } from './run-command.ts';
import { SetupError } from '../../platform/setup-error.ts';
import { packageRoot } from '../../platform/package-root.ts';

const REQUIREMENTS = join(packageRoot, 'trainer', 'uv-requirements.txt');

/**
 * Path of uv, which installs the Python environment: the one on the PATH, the cached one, or the pinned one, which the
 * machine's Python installs. Throws SetupError if there is neither uv nor a Python to install it with. The caller holds the
 * environment's lock.
 */
export async function ensureUv(signal?: AbortSignal): Promise<string> {
  if ((await tryRunCommand('uv', ['--version'])) !== undefined) return 'uv';
  const cache = ensureCacheFolder();
  const version = /^uv==(\S+)/m.exec(readFileSync(REQUIREMENTS, 'utf8'))?.[1];
  const folder = join(cache, `uv-${version}`);
  const uv = join(folder, 'uv');
  if (existsSync(uv)) return uv;
  const python = await findPython();
  const options = signal === undefined ? {} : { signal };
  await withProgressLog(`Installing uv ${version}`, async () => {
    const work = mkdtempSync(join(cache, 'python-installing-uv-'));
    try {
      await runCommand(python, ['-m', 'venv', join(work, 'venv')], options).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new SetupError(`${reason}\nOn Debian or Ubuntu: apt install python3-venv. ${INSTALL_UV}`);
      });
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes'];
      await runCommand(join(work, 'venv', 'bin', 'python'), [...pip, '-r', REQUIREMENTS], options);
      // uv is a single binary that does not need the rest of that environment.
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
    if ((await tryRunCommand(python, ['-c', 'import sys; assert sys.version_info >= (3, 8)'])) !== undefined)
      return python;
  }
  throw new SetupError(
    `There is no Python. Install Python 3.11 or newer: https://www.python.org/downloads/\n${INSTALL_UV}`,
  );
}
