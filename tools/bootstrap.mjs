/**
 * The entry of every npm script: `node tools/bootstrap.mjs [file] [arguments]`.
 *
 * Plain JavaScript without dependencies, because it must run on any Node: it installs the locked node modules if they are
 * missing, chooses a Node that runs TypeScript, and runs the file, whose path is relative to the checkout. Without a file it
 * only installs.
 */
import { spawn } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chooseNode } from './setup/choose-node.mjs';
import { installNodeModules } from './setup/node-modules.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** @param {string} message */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/**
 * Runs the script and exits with its exit code or signal.
 *
 * The script runs in its own process group and gets each signal once. Otherwise Ctrl-C would send two: the terminal signals the
 * whole group, and npm forwards the signal; a program takes the second one as "stop at once". If this process is killed, the
 * script stops because its channel is closed (`stop-with-parent.mjs`).
 *
 * @param {string} node
 * @param {string[]} command
 */
function handOver(node, command) {
  const binaries = join(root, 'node_modules', '.bin');
  const [script = '', ...args] = command;
  const child = spawn(
    node,
    [
      '--import',
      // A path would be read as an address, in which `%`, `#` and `?` have a meaning.
      pathToFileURL(join(root, 'src', 'platform', 'stop-with-parent.mjs')).href,
      join(root, script),
      ...args,
    ],
    {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      detached: true,
      env: {
        // All processes share compiled modules.
        NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node'),
        ...process.env,
        PATH: `${binaries}${delimiter}${process.env.PATH ?? ''}`,
      },
    },
  );
  let lastSignalAt = 0;
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      const now = Date.now();
      if (now - lastSignalAt > 300) child.kill(signal);
      lastSignalAt = now;
    });
  }
  // A process in a new session gets no signal when the terminal is resized.
  process.on('SIGWINCH', () => child.kill('SIGWINCH'));
  child.on('error', (error) => fail(`Cannot start ${node}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

if (process.platform !== 'linux' && process.platform !== 'darwin') {
  fail(`This runs on Linux and macOS, not on ${process.platform}. On Windows, use WSL 2.`);
}
try {
  await installNodeModules(root);
  const node = chooseNode(process.versions.node, process.execPath, root);
  if (process.argv.length > 2) handOver(node, process.argv.slice(2));
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
