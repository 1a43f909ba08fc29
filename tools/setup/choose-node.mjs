import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The first release that runs TypeScript without a flag.
 *
 * @type {[number, number]}
 */
const OLDEST = [22, 18];

/**
 * Chooses a Node that runs TypeScript: the running one if it is new enough, else the one installed with the node modules (Linux
 * only).
 *
 * @param {string} version the version of the running Node, such as '20.20.2'
 * @param {string} running the path of the running Node
 * @param {string} root the checkout
 * @returns {string} path of a Node
 * @throws {Error} that says what to install if neither is usable
 */
export function chooseNode(version, running, root) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return running;
  const installed = join(root, 'node_modules', '.bin', 'node');
  if (existsSync(installed)) return installed;
  throw new Error(
    `Node ${OLDEST.join('.')} or newer is needed, but this is ${version}, and npm has no Node to install for ` +
      `${process.platform} on ${process.arch}.\nInstall Node 24: https://nodejs.org/en/download`,
  );
}
