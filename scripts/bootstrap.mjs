/**
 * The entry of every npm script: `node scripts/bootstrap.mjs [script] [arguments]`.
 *
 * Runs on whatever Node the machine has, so it is plain JavaScript without dependencies: it installs the locked node
 * modules where they are missing, chooses a Node that runs TypeScript, and hands over to `scripts/<script>.ts`. Without
 * a script it only installs.
 */
import { spawn } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseNode } from './setup/choose-node.mjs';
import { installNodeModules } from './setup/node-modules.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** @param {string} message */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/**
 * Runs the script and ends as it ended.
 *
 * The script gets a process group of its own, and each signal once: on Ctrl-C the terminal signals the whole group and
 * npm forwards the signal as well, and a program that gets it twice takes the second as "stop at once". When this
 * process is killed, the closed channel tells the script (`stop-with-parent.mjs`).
 *
 * @param {string} node
 * @param {string[]} command
 */
function handOver(node, command) {
  const binaries = join(root, 'node_modules', '.bin');
  const [script, ...args] = command;
  const child = spawn(
    node,
    [
      '--import',
      join(root, 'scripts', 'setup', 'stop-with-parent.mjs'),
      join(root, 'scripts', `${script}.ts`),
      ...args,
    ],
    {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      detached: true,
      env: {
        // Modules are compiled once, not by each of the processes that a command starts.
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
  // A new session does not hear of the terminal's size by itself.
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
