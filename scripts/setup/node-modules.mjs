import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLock } from './lock.mjs';

/**
 * @typedef {{ version?: string, optional?: boolean, devOptional?: boolean }} LockedPackage
 * @typedef {{ packages: Record<string, LockedPackage> }} Lock
 */

/**
 * Whether the installed tree is the locked one. npm keeps its own record of what it installed, so an installation made
 * by hand counts too, and one that was cut short does not: npm writes the record last.
 *
 * @param {Lock} locked package-lock.json
 * @param {Lock | undefined} installed node_modules/.package-lock.json
 */
export function isInstalled(locked, installed) {
  if (installed === undefined) return false;
  return Object.entries(locked.packages).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed.packages[path];
    // An optional package may be for another platform.
    if (found === undefined) return wanted.optional === true || wanted.devOptional === true;
    return found.version === wanted.version;
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
 * Installs the locked node modules where they are missing or not the locked ones.
 *
 * `npm install --no-save` takes the locked versions and hashes and leaves the lock as it is. `npm ci` does too, but refuses
 * a lock that lacks the optional packages of platforms which the registry it was made with did not offer.
 *
 * No package here needs its install script, so none is run. npm's standard output is dropped: it belongs to the
 * script that follows.
 *
 * @param {string} root the checkout
 * @throws {Error} when npm fails
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
    // To npm a folder with the right version in its package.json is a whole package, and an installation that was cut
    // short leaves half ones. Such a tree is known by its missing record.
    if (readLock(record) === undefined) rmSync(modules, { recursive: true, force: true, maxRetries: 5 });
    rmSync(record, { force: true });
    // npm itself says where it is when it runs a script, and which Node it runs on: ours may have been among the node
    // modules just now. By hand it is on the PATH.
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
    // Ended together: the next set-up must not meet an npm that still writes, and npm told politely takes half a minute.
    let stopped = false;
    const stop = () => {
      stopped = true;
      child.kill('SIGKILL');
    };
    process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
    const [code] = await once(child, 'exit');
    process.off('SIGINT', stop).off('SIGTERM', stop).off('SIGHUP', stop);
    if (stopped) throw new Error('Stopped. The same command installs them anew.');
    if (code !== 0) throw new Error('npm install failed; its message is above.');
    console.error(`[setup] Installed the node modules in ${Math.round((Date.now() - startedAt) / 1000)} s`);
  });
}
