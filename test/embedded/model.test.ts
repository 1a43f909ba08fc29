import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PYTHON = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';

interface Comparison {
  logits: number;
  samePromptIds: boolean;
  promptIsPrefix: boolean;
  endsWith: string;
  decoded: string;
}

describe("the seed model in transformers and in the server's own forward pass", function () {
  this.timeout(300_000);
  let comparison: Comparison;

  before(async () => {
    const script = join(import.meta.dirname, 'compare_with_transformers.py');
    const { stdout } = await promisify(execFile)(PYTHON, [script], {
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    });
    comparison = JSON.parse(stdout) as Comparison;
  });

  it('has the same logits', () => {
    assert.ok(comparison.logits < 1e-4, `differ by ${comparison.logits}`);
  });

  it('has the same prompt, of which the trained text is a continuation', () => {
    assert.ok(comparison.samePromptIds);
    assert.ok(comparison.promptIsPrefix);
  });

  it('ends what the assistant says with the end token, and decodes it to what was said', () => {
    assert.equal(comparison.endsWith, '<end>');
    assert.equal(comparison.decoded, 'The answer is 12. 12 (A), 87 (B). So 12 (A). [[A]]');
  });
});
