import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLock } from '../../src/platform/lock-file.mjs';

/**
 * @typedef {{ version?: string, optional?: boolean, devOptional?: boolean }} LockedPackage
 * @typedef {{ packages: Record<string, LockedPackage> }} Lock
 */

/**
 * Whether the installed packages are the locked ones, according to npm's own record. npm writes the record last, so an
 * interrupted installation has none.
 *
 * @param {Lock} locked package-lock.json
 * @param {Lock | undefined} installed node_modules/.package-lock.json
 */
export function isInstalled(locked, installed) {
  if (installed === undefined) return false;
  return Object.entries(locked.packages).every(([path, wanted]) => {
    if (path === '') return true;
    const existing = installed.packages[path];
    // An optional package may be for another platform.
    if (existing === undefined) return wanted.optional === true || wanted.devOptional === true;
    return existing.version === wanted.version;
  });
}

/**
 * @param {string} path
 * @returns {Lock | undefined}
 */
function readLock(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Installs the locked node modules if they are missing or differ.
 *
 * `npm install --no-save` installs the locked versions and does not change the lock file. `npm ci` would reject a lock file that
 * lacks the optional packages of some platforms.
 *
 * No package needs its install script, so none is run. npm's standard output is discarded, because standard output belongs to
 * the script that runs afterwards.
 *
 * @param {string} root the checkout
 * @throws {Error} if npm fails
 */
export async function installNodeModules(root) {
  const locked = readLock(join(root, 'package-lock.json'));
  if (locked === undefined) throw new Error(`Cannot read ${join(root, 'package-lock.json')}`);
  const modules = join(root, 'node_modules');
  const record = join(modules, '.package-lock.json');
  const done = () => isInstalled(locked, readLock(record));
  if (done()) return;
  const checkout = createHash('sha256').update(root).digest('hex').slice(0, 12);
  await withLock(join(tmpdir(), `self-taught-evaluator-npm-${checkout}.lock`), async () => {
    if (done()) return;
    console.error('[setup] Installing the node modules ...');
    const startedAt = Date.now();
    // npm does not repair incomplete packages of an interrupted installation, which is recognized by its missing record.
    if (readLock(record) === undefined) rmSync(modules, { recursive: true, force: true, maxRetries: 5 });
    rmSync(record, { force: true });
    // When npm runs a script it sets its own path and that of its Node. The running Node may have been one of the deleted node
    // modules. Outside of npm scripts npm is on the PATH.
    const { npm_execpath: npm, npm_node_execpath: node = process.execPath } = process.env;
    const [command, before] = npm?.endsWith('.js') === true ? [node, [npm]] : ['npm', []];
    const install = [
      'install',
      '--no-save',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ];
    const child = spawn(command, [...before, ...install], { cwd: root, stdio: ['ignore', 'ignore', 2] });
    // npm is killed when this process is stopped, because it takes half a minute to stop by itself and would still be writing
    // when the next set-up starts.
    let stopped = false;
    const stop = () => {
      stopped = true;
      child.kill('SIGKILL');
    };
    process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
    const [code] = await once(child, 'exit');
    process.off('SIGINT', stop).off('SIGTERM', stop).off('SIGHUP', stop);
    if (stopped) throw new Error('Stopped. Run the same command to install them again.');
    if (code !== 0) throw new Error('npm install failed; its message is above.');
    console.error(`[setup] Installed the node modules in ${Math.round((Date.now() - startedAt) / 1000)} s`);
  });
}
