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
import { cacheFolder } from '../../src/config/cache-folder.ts';
import { makeCacheFolder, requireSpace } from './cache-folder.ts';
import { run, say, step, untilInterrupted } from './install-step.ts';
import { withLock } from './lock.mjs';
import { namedProgram } from './programs.ts';
import { ensureUv } from './uv.ts';

const REQUIREMENTS = join(import.meta.dirname, '..', '..', 'trainer', 'requirements.txt');

/** The Pythons that the locked packages have wheels for. */
export const PYTHON_VERSIONS = '>=3.11,<3.15';

const WORK_PREFIX = 'python-installing-';

/** Where {@link ensurePython} finds its Python, or would put it; nothing is installed. Throws SetupError where the variable names no program. */
export function pythonPath(): string {
  return (
    namedProgram('SELF_TAUGHT_EVALUATOR_PYTHON') ??
    pythonIn(cachedEnvironment(cacheFolder(process.env, process.platform)))
  );
}

/** The folder of the environment with the locked packages, for the backend that the environment names. */
function cachedEnvironment(cache: string): string {
  return join(cache, environmentName(readFileSync(REQUIREMENTS, 'utf8'), process.env.TORCH_BACKEND ?? ''));
}

/** Gigabytes (10^9 bytes) that the environment may take. */
export function spaceForPython(): number {
  return process.env.TORCH_BACKEND === 'cpu' ? 2 : 6.5;
}

/**
 * Path of a Python with the locked packages: the one named by `SELF_TAUGHT_EVALUATOR_PYTHON`, which is taken as it is,
 * else the cached environment, made where it is missing. `TORCH_BACKEND=cpu` (or another backend of uv's) takes torch
 * from PyTorch's own index instead. Throws SetupError that says what to install.
 */
export async function ensurePython(): Promise<string> {
  const named = namedProgram('SELF_TAUGHT_EVALUATOR_PYTHON');
  if (named !== undefined) return named;
  const backend = process.env.TORCH_BACKEND ?? '';
  const cache = makeCacheFolder();
  const environment = cachedEnvironment(cache);
  const python = pythonIn(environment);
  // The link inside is dead when the Python that it was made from is gone; existsSync follows it.
  if (existsSync(python)) return python;
  const install = async (signal: AbortSignal) => {
    if (existsSync(python)) return;
    for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX))) {
      rmSync(join(cache, name), { recursive: true, force: true });
    }
    requireSpace(cache, spaceForPython(), 'The Python environment');
    const uv = await ensureUv(signal);
    const work = mkdtempSync(join(cache, WORK_PREFIX));
    try {
      await step('Installing the Python environment (PyTorch; up to 6 GB)', () =>
        fill(uv, work, backend, signal),
      );
      rmSync(environment, { recursive: true, force: true });
      renameSync(join(work, 'venv'), environment);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  await untilInterrupted((signal) => withLock(join(cache, 'python.lock'), () => install(signal), signal));
  return python;
}

function pythonIn(environment: string): string {
  return join(environment, 'bin', 'python');
}

/** Folder name of the environment that has these requirements. */
export function environmentName(requirements: string, backend: string): string {
  const hash = createHash('sha256').update(`${backend}\n${requirements}`).digest('hex').slice(0, 12);
  return `python-${hash}`;
}

/** Makes `<work>/venv`, which can be moved, with every package and its bytecode. */
async function fill(uv: string, work: string, backend: string, signal: AbortSignal): Promise<void> {
  const venv = join(work, 'venv');
  // uv's own Python, where the machine has none that fits, is downloaded: only on machines with internet access.
  await run(uv, ['venv', '--no-project', '--relocatable', '--python', PYTHON_VERSIONS, venv], { signal });
  const install = ['pip', 'install', '--python', venv, '--no-deps', '--compile-bytecode'];
  if (backend === '') {
    await run(uv, [...install, '--require-hashes', '-r', REQUIREMENTS], { signal });
    return;
  }
  say(`TORCH_BACKEND=${backend}: torch comes from PyTorch's index, pinned by its version and not by a hash`);
  const { torch, rest } = splitTorch(readFileSync(REQUIREMENTS, 'utf8'));
  const others = join(work, 'requirements.txt');
  writeFileSync(others, rest);
  await run(uv, [...install, '--require-hashes', '-r', others], { signal });
  // With its dependencies: a backend for another CUDA brings its own.
  const withTorch = install.filter((argument) => argument !== '--no-deps');
  await run(uv, [...withTorch, '--torch-backend', backend, torch], { signal });
}

/** The locked requirements without torch and what only torch's default build for Linux needs. */
export function splitTorch(requirements: string): { torch: string; rest: string } {
  const entries = requirements.split(/^(?=[a-z])/m);
  const torch = entries
    .map((entry) => /^torch==[^\s;]+/.exec(entry)?.[0])
    .find((found) => found !== undefined);
  if (torch === undefined) throw new Error('the requirements name no torch');
  return { torch, rest: entries.filter((entry) => !/^(torch|triton|nvidia-|cuda-)/.test(entry)).join('') };
}
