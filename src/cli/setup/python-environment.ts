import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { ensureCacheFolder, requireDiskSpace } from './cache-folder.ts';
import { runCommand, logSetup, withProgressLog, withInterruptSignal } from './run-command.ts';
import { withLock } from '../../platform/lock-file.mjs';
import { programFromEnvironment } from '../../platform/programs.ts';
import { ensureUv } from './uv.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { SetupError } from '../../platform/setup-error.ts';

/** The Python versions for which all locked packages have wheels. */
export const PYTHON_VERSIONS = '>=3.11,<3.15';

const WORK_PREFIX = 'python-installing-';

/** An environment whose packages a lock file pins. */
interface LockedEnvironment {
  /** The beginning of its folder's name in the cache. */
  readonly name: string;
  readonly requirements: string;
  readonly pythonVersions: string;
  /** The build of torch; empty for that of the lock file. */
  readonly backend: () => string;
  readonly gigabytes: () => number;
  readonly what: string;
}

const MAIN: LockedEnvironment = {
  name: 'python',
  requirements: join(packageRoot, 'trainer', 'requirements.txt'),
  pythonVersions: PYTHON_VERSIONS,
  backend: () => process.env.TORCH_BACKEND ?? '',
  gigabytes: pythonEnvironmentGigabytes,
  what: 'the Python environment (PyTorch; up to 6 GB)',
};

/** The same packages, some in other versions, with vLLM. */
const WITH_VLLM: LockedEnvironment = {
  name: 'python-vllm',
  requirements: join(packageRoot, 'trainer', 'vllm-requirements.txt'),
  pythonVersions: '>=3.12,<3.13',
  backend: () => '',
  gigabytes: () => 9.5,
  what: 'the Python environment with vLLM (PyTorch for CUDA; 9 GB)',
};

/** The path that {@link ensurePython} returns, without installing anything. Throws SetupError if the variable names no program. */
export function pythonPath(): string {
  return findPython(MAIN);
}

/** The path of a Python with vLLM for trainings that sample by it. It need not exist: `setup --with vllm-training` installs it. */
export function vllmPythonPath(): string {
  return findPython(WITH_VLLM);
}

function findPython(environment: LockedEnvironment): string {
  return (
    programFromEnvironment('SELF_TAUGHT_EVALUATOR_PYTHON') ??
    pythonIn(cachedEnvironment(environment, cacheFolder(process.env, process.platform)))
  );
}

/** The folder of a Python environment, for the current TORCH_BACKEND. */
function cachedEnvironment({ name, requirements, backend }: LockedEnvironment, cache: string): string {
  return join(cache, environmentName(readFileSync(requirements, 'utf8'), backend(), name));
}

/** Disk space for the environment, in gigabytes (10^9 bytes). */
export function pythonEnvironmentGigabytes(): number {
  return process.env.TORCH_BACKEND === 'cpu' ? 2 : 6.5;
}

/**
 * Path of a Python with the locked packages: the one named by `SELF_TAUGHT_EVALUATOR_PYTHON`, which is not checked, else
 * the cached environment, which is created if it is missing. `TORCH_BACKEND=cpu` (or another backend of uv) installs torch
 * from PyTorch's own index. Throws SetupError that says what to install.
 */
export function ensurePython(): Promise<string> {
  return ensureEnvironment(MAIN);
}

/**
 * Path of a Python with vLLM beside the trainer's packages; otherwise like {@link ensurePython}.
 * @param machine the system and the processor, for which vLLM has CUDA's libraries only in one case
 */
export async function ensureVllmPython(machine = `${process.platform} ${process.arch}`): Promise<string> {
  if (machine !== 'linux x64')
    throw new SetupError(
      `vLLM in the trainer runs on NVIDIA GPUs under Linux on x86_64, and this is ${machine}: set "rollouts" of the round to "generate".`,
    );
  return ensureEnvironment(WITH_VLLM);
}

async function ensureEnvironment(locked: LockedEnvironment): Promise<string> {
  const configured = programFromEnvironment('SELF_TAUGHT_EVALUATOR_PYTHON');
  if (configured !== undefined) return configured;
  const cache = ensureCacheFolder();
  const environment = cachedEnvironment(locked, cache);
  const python = pythonIn(environment);
  // It is a link to the Python that created the environment: existsSync is false if that was uninstalled.
  if (existsSync(python)) return python;
  const install = async (signal: AbortSignal) => {
    if (existsSync(python)) return;
    for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX))) {
      rmSync(join(cache, name), { recursive: true, force: true });
    }
    requireDiskSpace(cache, locked.gigabytes(), locked.what.replace(/^the/, 'The'));
    const uv = await ensureUv(signal);
    const work = mkdtempSync(join(cache, WORK_PREFIX));
    try {
      await withProgressLog(`Installing ${locked.what}`, () => installPackages(uv, work, locked, signal));
      rmSync(environment, { recursive: true, force: true });
      renameSync(join(work, 'venv'), environment);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  await withInterruptSignal((signal) => withLock(join(cache, 'python.lock'), () => install(signal), signal));
  return python;
}

function pythonIn(environment: string): string {
  return join(environment, 'bin', 'python');
}

/** Folder name of the environment with these requirements. */
export function environmentName(requirements: string, backend: string, name = MAIN.name): string {
  const hash = createHash('sha256').update(`${backend}\n${requirements}`).digest('hex').slice(0, 12);
  return `${name}-${hash}`;
}

/** Creates `<work>/venv`, a relocatable environment with every package and its bytecode. */
async function installPackages(
  uv: string,
  work: string,
  locked: LockedEnvironment,
  signal: AbortSignal,
): Promise<void> {
  const venv = join(work, 'venv');
  const { requirements, pythonVersions } = locked;
  const backend = locked.backend();
  // If the machine has no suitable Python, uv downloads one, which needs internet access.
  await runCommand(uv, ['venv', '--no-project', '--relocatable', '--python', pythonVersions, venv], {
    signal,
  });
  const install = ['pip', 'install', '--python', venv, '--no-deps', '--compile-bytecode'];
  if (backend === '') {
    await runCommand(uv, [...install, '--require-hashes', '-r', requirements], { signal });
    return;
  }
  logSetup(
    `TORCH_BACKEND=${backend}: torch comes from PyTorch's index, pinned by its version and not by a hash`,
  );
  const { torch, rest } = splitTorch(readFileSync(requirements, 'utf8'));
  const restFile = join(work, 'requirements.txt');
  writeFileSync(restFile, rest);
  await runCommand(uv, [...install, '--require-hashes', '-r', restFile], { signal });
  // With dependencies: a build for another CUDA version has other ones.
  const withTorch = install.filter((argument) => argument !== '--no-deps');
  await runCommand(uv, [...withTorch, '--torch-backend', backend, torch], { signal });
}

/** Separates torch, and what only its default build for Linux needs, from the other locked requirements. */
export function splitTorch(requirements: string): { torch: string; rest: string } {
  const entries = requirements.split(/^(?=[a-z])/m);
  const torch = entries
    .map((entry) => /^torch==[^\s;]+/.exec(entry)?.[0])
    .find((requirement) => requirement !== undefined);
  if (torch === undefined) throw new Error('trainer/requirements.txt does not pin torch');
  return { torch, rest: entries.filter((entry) => !/^(torch|triton|nvidia-|cuda-)/.test(entry)).join('') };
}
