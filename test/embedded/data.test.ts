import assert from 'node:assert/strict';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const EMBEDDED = resolve(import.meta.dirname, '../../embedded');
const COLUMNS = ['id', 'prompt', 'chosen', 'chosen_model', 'rejected', 'rejected_model', 'subset'];

interface Pair {
  id: number;
  prompt: string;
  chosen: string;
  rejected: string;
  rejected_model: string;
  subset: string;
}

async function readRows<Row>(path: string): Promise<Row[]> {
  const text = await readFile(join(EMBEDDED, path), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}

/** The question without the verb that asks it: "Find", "Name" and "Give" mean the same. */
const question = (instruction: string): string => instruction.replace(/^(Find|Name|Give) /, '');

describe('the embedded example', () => {
  it('has a pool of at least 2,000 different instructions, and nothing but instructions', async () => {
    const pool = await readRows<{ instruction: string }>('instructions.jsonl');
    assert.ok(pool.length >= 2_000);
    for (const row of pool) assert.deepEqual(Object.keys(row), ['instruction']);
    assert.equal(new Set(pool.map((row) => question(row.instruction))).size, pool.length);
  });

  it('asks no question in two of pool, validation set and test set', async () => {
    const pool = await readRows<{ instruction: string }>('instructions.jsonl');
    const validation = await readRows<Pair>('benchmark/validation.jsonl');
    const test = await readRows<Pair>('benchmark/test.jsonl');
    const questions = [
      ...pool.map((row) => row.instruction),
      ...[...validation, ...test].map((row) => row.prompt),
    ].map(question);
    assert.equal(new Set(questions).size, questions.length);
    const ids = [...validation, ...test].map((row) => row.id);
    assert.equal(new Set(ids).size, ids.length);
  });

  for (const [name, least] of [
    ['validation', 10],
    ['test', 30],
  ] as const) {
    it(`has in its ${name} set, in RewardBench's columns, at least ${least} pairs of each subset`, async () => {
      const rows = await readRows<Pair>(`benchmark/${name}.jsonl`);
      const subsets = new Map<string, number>();
      for (const row of rows) {
        assert.deepEqual(Object.keys(row), COLUMNS);
        assert.notEqual(row.chosen, row.rejected);
        subsets.set(row.subset, (subsets.get(row.subset) ?? 0) + 1);
      }
      assert.ok(subsets.size >= 8);
      for (const [subset, count] of subsets) assert.ok(count >= least, `${subset} has ${count}`);
      assert.ok(rows.filter((row) => row.rejected_model === 'near-miss').length > rows.length / 2);
    });
  }

  it('has a seed model of at most 4 MB', async () => {
    const model = join(EMBEDDED, 'model');
    const files = await readdir(model);
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(model, file))).size));
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 4_000_000);
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'generation_config.json']) {
      assert.ok(files.includes(file), file);
    }
  });
});
