import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ensureVllmPython, environmentName, splitTorch } from '../../../src/cli/setup/python-environment.ts';

describe('the Python environment', () => {
  it('has another folder for other requirements or another build of torch', () => {
    const names = [environmentName('a', ''), environmentName('b', ''), environmentName('a', 'cpu')];
    assert.equal(new Set(names).size, 3);
    assert.equal(environmentName('a', ''), names[0]);
    assert.match(environmentName('a', '', 'python-vllm'), /^python-vllm-[0-9a-f]{12}$/);
  });

  it('separates torch, and what only torch needs, from the other requirements', () => {
    const requirements = readFileSync('trainer/requirements.txt', 'utf8');
    const { torch, rest } = splitTorch(requirements);
    assert.match(torch, /^torch==\d+\.\d+\.\d+$/);
    const names = (text: string) => [...text.matchAll(/^([a-z0-9-]+)==/gm)].map(([, name = '']) => name);
    const apart = names(requirements).filter((name) => !names(rest).includes(name));
    assert(apart.includes('torch') && apart.includes('triton'));
    assert(apart.every((name) => /^(torch|triton|nvidia-.*|cuda-.*)$/.test(name)));
    assert(names(rest).includes('transformers'));
  });

  it('with vLLM has all packages of the trainer, with hashes, and the TRL that the trainer is tested with', () => {
    const lockOf = (name: string) => readFileSync(`trainer/${name}requirements.txt`, 'utf8');
    const entries = lockOf('vllm-').split(/^(?=[a-z])/m);
    const locked = new Map(entries.map((entry) => [/^[a-z0-9.-]+/.exec(entry)?.[0], entry]));
    const needed: string[] = readFileSync('trainer/requirements.in', 'utf8').match(/^[a-z0-9-]+$/gm) ?? [];
    assert(needed.includes('trl') && needed.length > 10);
    for (const name of [...needed, 'vllm']) assert.match(locked.get(name) ?? '', /--hash=sha256:/, name);
    const version = (name: string, text: string) => new RegExp(`^${name}==(\\S+)`, 'm').exec(text)?.[1];
    for (const name of ['trl', 'peft', 'accelerate'])
      assert.equal(version(name, lockOf('vllm-')), version(name, lockOf('')), name);
  });

  it('with vLLM is refused where no GPU of NVIDIA can be', async () => {
    await assert.rejects(
      ensureVllmPython('darwin arm64'),
      /runs on NVIDIA GPUs under Linux on x86_64, and this is darwin arm64: set "rollouts" of the round to "generate"/,
    );
  });
});
