/** What is installed on this machine, and what it has. */
import { existsSync, statSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cacheFolder } from '../../src/config/cache-folder.ts';
import { CALL } from '../cli/program.ts';
import { freeSpace } from '../setup/cache-folder.ts';
import { accepts } from '../setup/dev-server.ts';
import { tryRun } from '../setup/install-step.ts';
import { PORT_SETTINGS } from '../setup/port-settings.ts';
import { pythonPath, spaceForPython } from '../setup/python-environment.ts';
import { findTemporalCli, isNewEnough, TEMPORAL_CLI_VERSION } from '../setup/temporal-cli.ts';
import { type Finding, lineOf, missing, note, ok } from './finding.ts';

const ASK_MILLISECONDS = 20_000;
const SETUP = `"${CALL} setup" installs it`;

/** The interpreter, and the path it has or would have. */
export interface PythonFound {
  readonly path: string;
  readonly isThere: boolean;
  readonly finding: Finding;
}

export function nodeFinding(): Finding {
  // An older one doesn't come so far: it can't run TypeScript.
  return ok('Node', `${process.versions.node} (${process.execPath})`);
}

/** @param isNeeded whether a run can't do without a server that it starts */
export async function temporalCliFinding(isNeeded: boolean): Promise<Finding> {
  const what = 'Temporal CLI';
  try {
    const { path, tooOld } = await findTemporalCli();
    const aside = tooOld === undefined ? '' : `; left aside: ${tooOld}`;
    if (path === undefined) {
      const mend = `${SETUP}: ${TEMPORAL_CLI_VERSION}, downloaded, or built where there is Go. Or: brew install temporal.`;
      return (isNeeded ? missing : note)(what, `none on the PATH, none in the cache${aside}`, mend);
    }
    const version = (await tryRun(path, ['--version'], { timeout: ASK_MILLISECONDS }))?.trim();
    if (version === undefined) return missing(what, `${path} doesn't start`, `Remove it: ${SETUP} again.`);
    const found = `${version.replace(/^temporal version /, '')} (${path})${aside}`;
    if (isNewEnough(version)) return ok(what, found);
    return note(
      what,
      `${found}: older than the server that runs were tried on`,
      `Unset SELF_TAUGHT_EVALUATOR_TEMPORAL: ${SETUP}.`,
    );
  } catch (error) {
    return missing(what, lineOf(error), 'Correct SELF_TAUGHT_EVALUATOR_TEMPORAL, or unset it.');
  }
}

/** @param isNeeded whether nobody else trains and serves models */
export async function pythonFound(isNeeded: boolean): Promise<PythonFound> {
  const what = 'Python';
  const finding = isNeeded ? missing : note;
  try {
    const path = pythonPath();
    if (!existsSync(path)) {
      const mend = `${SETUP}: up to ${spaceForPython()} GB, which worker and demo do too when they start.`;
      return { path, isThere: false, finding: finding(what, `no environment at ${path}`, mend) };
    }
    const version = (await tryRun(path, ['--version'], { timeout: ASK_MILLISECONDS }))?.trim();
    if (version === undefined) {
      const mend = `Remove the folder, and ${SETUP} again; or correct SELF_TAUGHT_EVALUATOR_PYTHON.`;
      return { path, isThere: false, finding: finding(what, `${path} doesn't start`, mend) };
    }
    return { path, isThere: true, finding: ok(what, `${version.replace(/^Python /, '')} (${path})`) };
  } catch (error) {
    const mend = 'Correct SELF_TAUGHT_EVALUATOR_PYTHON, or unset it.';
    return { path: 'python3', isThere: false, finding: finding(what, lineOf(error), mend) };
  }
}

/** @param python whether the environment is there already */
export async function cacheFinding(python: boolean): Promise<Finding> {
  const folder = cacheFolder(process.env, process.platform);
  const problem = await writeProblem(folder);
  if (problem !== undefined)
    return missing('cache', problem, 'Set SELF_TAUGHT_EVALUATOR_CACHE to a folder that can be written.');
  const size = existsSync(folder) ? await sizeOf(folder) : 'not made yet';
  const free = freeSpace(existingAbove(folder));
  const found = `${folder}, ${size}, ${gigabytes(free)} free`;
  if (python || free >= spaceForPython()) return ok('cache', found);
  return missing(
    'cache',
    `${found}; the Python environment needs ${spaceForPython()} GB`,
    'Make room, or set SELF_TAUGHT_EVALUATOR_CACHE to a folder on a larger disk; TORCH_BACKEND=cpu needs 2 GB.',
  );
}

export async function storeFinding(folder: string): Promise<Finding> {
  const problem = await writeProblem(folder);
  if (problem !== undefined)
    return missing('store', problem, 'Set SELF_TAUGHT_EVALUATOR_STORE to a folder that can be written.');
  const made = existsSync(folder) ? '' : ', not made yet';
  return ok('store', `${folder}${made}, ${gigabytes(freeSpace(existingAbove(folder)))} free`);
}

/** What NVIDIA's own program says; a run needs a GPU only where its model does. */
export async function gpuFinding(): Promise<Finding> {
  const query = ['--query-gpu=name,memory.total,memory.used,driver_version', '--format=csv,noheader'];
  const told = await tryRun('nvidia-smi', query, { timeout: ASK_MILLISECONDS });
  const gpus = (told ?? '').split('\n').filter((line) => line.trim() !== '');
  if (gpus.length > 0) {
    const shown = gpus.map((line) => {
      const [name, total, used, driver] = line.split(',').map((cell) => cell.trim());
      return `${name}, ${total} (${used} in use), driver ${driver}`;
    });
    return ok('GPU', shown.join('; '));
  }
  return note(
    'GPU',
    'nvidia-smi tells of none: the embedded model needs none, larger ones are trained and served elsewhere',
  );
}

/** The ports of the development server, which matter where it is to be started here. */
export async function portFindings(
  ports: Readonly<Record<keyof typeof PORT_SETTINGS, number>>,
): Promise<Finding[]> {
  const keys = Object.keys(PORT_SETTINGS) as (keyof typeof PORT_SETTINGS)[];
  return Promise.all(
    keys.map(async (key) => {
      const { name, option, variable } = PORT_SETTINGS[key];
      const what = `port ${ports[key]}`;
      if (!(await accepts('127.0.0.1', ports[key]))) return ok(what, `free, for the ${name}`);
      return missing(
        what,
        `in use by another program, and wanted for the ${name}`,
        `Stop that program, or choose another port: ${CALL} temporal --${option} ${ports[key] + 1}, or ${variable}.`,
      );
    }),
  );
}

/** Why nothing can be written there; undefined where it can. Nothing is made. */
async function writeProblem(folder: string): Promise<string | undefined> {
  const above = existingAbove(folder);
  if (!statSync(above).isDirectory()) return `${above} is no folder`;
  try {
    await access(above, constants.W_OK | constants.X_OK);
    return undefined;
  } catch {
    return above === folder
      ? `${folder} can't be written`
      : `${folder} can't be made: ${above} can't be written`;
  }
}

/** The folder itself, or the nearest one above it that is there. */
function existingAbove(folder: string): string {
  return existsSync(folder) ? folder : existingAbove(dirname(folder));
}

async function sizeOf(folder: string): Promise<string> {
  const kibibytes = Number(
    /^\d+/.exec((await tryRun('du', ['-sk', folder], { timeout: ASK_MILLISECONDS })) ?? '')?.[0],
  );
  return Number.isNaN(kibibytes) ? 'its size takes long to tell' : gigabytes((kibibytes * 1024) / 1e9);
}

function gigabytes(amount: number): string {
  return `${amount.toFixed(1)} GB`;
}
