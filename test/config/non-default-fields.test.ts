import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { flattenFields, withoutDefaults } from '../../src/config/non-default-fields.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';

const read = (part: unknown) => parseConfiguration(part).configuration;

describe('the fields of a configuration that differ from the defaults', () => {
  const written = {
    runName: 'x',
    models: { seed: { checkpoint: 'embedded/model' } },
    serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:1/v1', servedModelName: 'judge-{iteration}' },
    instructions: { pool: ['a.jsonl'] },
    judging: { samples: 4 },
    fineTuning: { rounds: [{ method: 'dpo', hyperparameters: { beta: 0.2 } }] },
    evaluation: { benchmarks: [{ name: 'b', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' }] },
  };

  it('are those that were written, without those that equal a default', () => {
    const whole = read({ ...written, seed: 42, judging: { samples: 4, prompt: 'prompts/pairwise' } });
    assert(whole !== undefined);
    assert.deepEqual(withoutDefaults(whole, read), written);
  });

  it('parse to the same configuration, for every ready one', () => {
    const folder = resolve(import.meta.dirname, '../../temporal/inputs');
    for (const file of readdirSync(folder)) {
      const whole = read(JSON.parse(readFileSync(join(folder, file), 'utf8')));
      if (whole === undefined) continue; // an evaluation
      const part = withoutDefaults(whole, read);
      assert.deepEqual(read(part), whole, file);
      assert(flattenFields(part).length < flattenFields(whole).length, file);
    }
  });

  it('are listed by their paths; a list of plain values is one field', () => {
    assert.deepEqual(flattenFields({ a: { b: 1 }, c: [{ d: 2 }], e: ['f', 'g'] }), [
      { field: 'a.b', value: 1 },
      { field: 'c.0.d', value: 2 },
      { field: 'e', value: ['f', 'g'] },
    ]);
  });
});
