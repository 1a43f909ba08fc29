import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { environmentName, splitTorch } from '../../../src/cli/setup/python-environment.ts';

describe('the Python environment', () => {
  it('has another folder for other requirements or another build of torch', () => {
    const names = [environmentName('a', ''), environmentName('b', ''), environmentName('a', 'cpu')];
    assert.equal(new Set(names).size, 3);
    assert.equal(environmentName('a', ''), names[0]);
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
});
