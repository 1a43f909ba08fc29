import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fieldsOf, notDefault } from '../../src/config/not-default.ts';
import { readConfiguration } from '../../src/config/read-configuration.ts';

const read = (part: unknown) => readConfiguration(part).configuration;

describe('what of a configuration is not a default', () => {
  const written = {
    runName: 'x',
    models: { seed: { checkpoint: 'embedded/model' } },
    serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:1/v1', servedName: 'judge' },
    instructions: { pool: ['a.jsonl'] },
    judging: { samples: 4 },
    fineTuning: { rounds: [{ method: 'dpo', hyperparameters: { beta: 0.2 } }] },
    evaluation: { benchmarks: [{ name: 'b', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' }] },
  };

  it('is what was written, without what says the same as a default', () => {
    const whole = read({ ...written, seed: 42, judging: { samples: 4, prompt: 'prompts/pairwise' } });
    assert(whole !== undefined);
    assert.deepEqual(notDefault(whole, read), written);
  });

  it('is read as the same whole, for every ready configuration', () => {
    const folder = resolve(import.meta.dirname, '../../temporal/inputs');
    for (const file of readdirSync(folder)) {
      const whole = read(JSON.parse(readFileSync(join(folder, file), 'utf8')));
      if (whole === undefined) continue; // an evaluation
      const part = notDefault(whole, read);
      assert.deepEqual(read(part), whole, file);
      assert(fieldsOf(part).length < fieldsOf(whole).length, file);
    }
  });

  it('is shown by the paths of its fields, a list of plain values as one', () => {
    assert.deepEqual(fieldsOf({ a: { b: 1 }, c: [{ d: 2 }], e: ['f', 'g'] }), [
      { field: 'a.b', value: 1 },
      { field: 'c.0.d', value: 2 },
      { field: 'e', value: ['f', 'g'] },
    ]);
  });
});
