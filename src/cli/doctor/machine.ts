/** Checks what is installed on this machine, and its hardware. */
import { existsSync, statSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { freeGigabytes } from '../setup/cache-folder.ts';
import { acceptsConnections } from '../../platform/ports.ts';
import { tryRunCommand } from '../setup/run-command.ts';
import type { DevServerPorts } from '../temporal/dev-server.ts';
import { PORT_SETTINGS } from '../temporal/ports.ts';
import { pythonPath, pythonEnvironmentGigabytes } from '../setup/python-environment.ts';
import { findTemporalCli, isNewEnough, TEMPORAL_CLI_VERSION } from '../setup/temporal-cli.ts';
import { openStore } from '../../store/artifact-store.ts';
import { resolveStoreAddress } from '../../store/drivers.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { checkStore } from '../../store/check-store.ts';
import { type Finding, oneLineMessage, missing, note, ok } from './finding.ts';

const COMMAND_MILLISECONDS = 20_000;
const SETUP = `"${PROGRAM_CALL} setup" installs it`;

/** The Python interpreter: its path, also if it is not installed yet, and the finding about it. */
export interface PythonLookup {
  readonly path: string;
  readonly isInstalled: boolean;
  readonly finding: Finding;
}

/** The oldest Node that has everything the program uses. */
const MIN_NODE_MAJOR = 22;

export function nodeFinding(): Finding {
  const version = `${process.versions.node} (${process.execPath})`;
  return Number.parseInt(process.versions.node, 10) >= MIN_NODE_MAJOR
    ? ok('Node', version)
    : missing('Node', version, `Install Node ${MIN_NODE_MAJOR} or newer: https://nodejs.org`);
}

/** @param isNeeded whether the development server must be started on this machine */
export async function temporalCliFinding(isNeeded: boolean): Promise<Finding> {
  const check = 'Temporal CLI';
  try {
    const { path, tooOld } = await findTemporalCli();
    const ignored = tooOld === undefined ? '' : `; ignored: ${tooOld}`;
    if (path === undefined) {
      const fix = `${SETUP}: it downloads ${TEMPORAL_CLI_VERSION}, or builds it with Go. Or: brew install temporal.`;
      return (isNeeded ? missing : note)(check, `neither on the PATH nor in the cache${ignored}`, fix);
    }
    const version = (await tryRunCommand(path, ['--version'], { timeout: COMMAND_MILLISECONDS }))?.trim();
    if (version === undefined)
      return missing(check, `${path} doesn't start`, `Delete it, then ${SETUP} again.`);
    const detail = `${version.replace(/^temporal version /, '')} (${path})${ignored}`;
    if (isNewEnough(version)) return ok(check, detail);
    return note(
      check,
      `${detail}: older than the oldest tested server`,
      `Unset SELF_TAUGHT_EVALUATOR_TEMPORAL: ${SETUP}.`,
    );
  } catch (error) {
    return missing(check, oneLineMessage(error), 'Correct SELF_TAUGHT_EVALUATOR_TEMPORAL, or unset it.');
  }
}

/** @param isNeeded whether this machine must train and serve models, because no worker does */
export async function lookUpPython(isNeeded: boolean): Promise<PythonLookup> {
  const check = 'Python';
  const finding = isNeeded ? missing : note;
  try {
    const path = pythonPath();
    if (!existsSync(path)) {
      const fix = `${SETUP}: up to ${pythonEnvironmentGigabytes()} GB. The commands worker and demo install it too.`;
      return { path, isInstalled: false, finding: finding(check, `no environment at ${path}`, fix) };
    }
    const version = (await tryRunCommand(path, ['--version'], { timeout: COMMAND_MILLISECONDS }))?.trim();
    if (version === undefined) {
      const fix = `Delete the folder, then ${SETUP} again; or correct SELF_TAUGHT_EVALUATOR_PYTHON.`;
      return { path, isInstalled: false, finding: finding(check, `${path} doesn't start`, fix) };
    }
    return { path, isInstalled: true, finding: ok(check, `${version.replace(/^Python /, '')} (${path})`) };
  } catch (error) {
    const fix = 'Correct SELF_TAUGHT_EVALUATOR_PYTHON, or unset it.';
    return { path: 'python3', isInstalled: false, finding: finding(check, oneLineMessage(error), fix) };
  }
}

/** @param isPythonInstalled whether the Python environment is installed already */
export async function cacheFinding(isPythonInstalled: boolean): Promise<Finding> {
  const folder = cacheFolder(process.env, process.platform);
  const problem = await writeProblem(folder);
  if (problem !== undefined)
    return missing('cache', problem, 'Set SELF_TAUGHT_EVALUATOR_CACHE to a writable folder.');
  const size = existsSync(folder) ? await sizeOf(folder) : 'does not exist yet';
  const free = freeGigabytes(nearestExistingFolder(folder));
  const detail = `${folder}, ${size}, ${gigabytes(free)} free`;
  if (isPythonInstalled || free >= pythonEnvironmentGigabytes()) return ok('cache', detail);
  return missing(
    'cache',
    `${detail}; the Python environment needs ${pythonEnvironmentGigabytes()} GB`,
    'Free some space, or set SELF_TAUGHT_EVALUATOR_CACHE to a folder on a larger disk; TORCH_BACKEND=cpu needs 2 GB.',
  );
}

/** @throws Error if no kind of store has such addresses */
export async function storeFinding(address: string): Promise<Finding> {
  const { objects } = openStore(resolveStoreAddress(address));
  return objects.isRemote ? remoteStoreFinding(objects) : folderStoreFinding(objects.address);
}

async function remoteStoreFinding({ address }: ObjectStore): Promise<Finding> {
  try {
    await checkStore(() => openStore(address).objects);
    return ok('store', address);
  } catch (error) {
    return missing('store', oneLineMessage(error), 'Correct what the message names (docs/stores.md).');
  }
}

async function folderStoreFinding(folder: string): Promise<Finding> {
  const problem = await writeProblem(folder);
  if (problem !== undefined)
    return missing('store', problem, 'Set SELF_TAUGHT_EVALUATOR_STORE to a writable folder.');
  const suffix = existsSync(folder) ? '' : ', does not exist yet';
  if (existsSync(folder))
    try {
      await checkStore(() => openStore(folder).objects);
    } catch (error) {
      const fix = 'Set SELF_TAUGHT_EVALUATOR_STORE to such a folder, or make room (docs/deploy.md).';
      return missing('store', oneLineMessage(error), fix);
    }
  return ok('store', `${folder}${suffix}, ${gigabytes(freeGigabytes(nearestExistingFolder(folder)))} free`);
}

/** The GPUs that nvidia-smi lists. Not every run needs one. */
export async function gpuFinding(): Promise<Finding> {
  const query = ['--query-gpu=name,memory.total,memory.used,driver_version', '--format=csv,noheader'];
  const output = await tryRunCommand('nvidia-smi', query, { timeout: COMMAND_MILLISECONDS });
  const gpus = (output ?? '').split('\n').filter((line) => line.trim() !== '');
  if (gpus.length > 0) {
    const descriptions = gpus.map((line) => {
      const [name, total, used, driver] = line.split(',').map((cell) => cell.trim());
      return `${name}, ${total} (${used} in use), driver ${driver}`;
    });
    return ok('GPU', descriptions.join('; '));
  }
  return note(
    'GPU',
    'nvidia-smi lists none: the embedded model needs none, larger models must be trained and served on another machine',
  );
}

/** Returns whether the ports of the development server are free, if it must be started on this machine. */
export async function portFindings(ports: Readonly<DevServerPorts>): Promise<Finding[]> {
  const keys = Object.keys(PORT_SETTINGS) as (keyof typeof PORT_SETTINGS)[];
  const findings = keys.map(async (key): Promise<Finding[]> => {
    const { name, option, variable } = PORT_SETTINGS[key];
    const port = ports[key];
    if (port === undefined) return [];
    const check = `port ${port}`;
    if (!(await acceptsConnections('127.0.0.1', port))) return [ok(check, `free, for the ${name}`)];
    const fix = `Stop that program, or choose another port: ${PROGRAM_CALL} temporal --${option} ${port + 1}, or set ${variable}.`;
    return [missing(check, `in use by another program, but needed for the ${name}`, fix)];
  });
  return (await Promise.all(findings)).flat();
}

/** Why the folder is not writable; undefined if it is. Creates nothing. */
async function writeProblem(folder: string): Promise<string | undefined> {
  const existing = nearestExistingFolder(folder);
  if (!statSync(existing).isDirectory()) return `${existing} is not a folder`;
  try {
    await access(existing, constants.W_OK | constants.X_OK);
    return undefined;
  } catch {
    return existing === folder
      ? `${folder} is not writable`
      : `${folder} can't be created: ${existing} is not writable`;
  }
}

/** The folder itself, or its nearest parent that exists. */
function nearestExistingFolder(folder: string): string {
  return existsSync(folder) ? folder : nearestExistingFolder(dirname(folder));
}

async function sizeOf(folder: string): Promise<string> {
  const kibibytes = Number(
    /^\d+/.exec((await tryRunCommand('du', ['-sk', folder], { timeout: COMMAND_MILLISECONDS })) ?? '')?.[0],
  );
  return Number.isNaN(kibibytes) ? 'of unknown size' : gigabytes((kibibytes * 1024) / 1e9);
}

function gigabytes(amount: number): string {
  return `${amount.toFixed(1)} GB`;
}
