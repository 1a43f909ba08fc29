import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Kind, kindOf } from '../../src/config/kind.ts';

const inputs = resolve(import.meta.dirname, '../../temporal/inputs');

describe('the kind of a configuration', () => {
  it('is that of its schema, for each ready one', () => {
    const kinds: Record<string, Kind> = {
      '../../schema/configuration.schema.json': 'run',
      '../../schema/evaluation.schema.json': 'evaluation',
      '../../schema/judging.schema.json': 'judging',
    };
    const seen = new Set<Kind>();
    for (const file of readdirSync(inputs)) {
      const { $schema, ...input } = JSON.parse(readFileSync(join(inputs, file), 'utf8')) as {
        $schema: string;
      };
      assert.equal(kindOf(input), kinds[$schema], file);
      seen.add(kindOf(input));
    }
    assert.equal(seen.size, 3);
  });

  const meant: readonly [string, object, Kind][] = [
    ['a run without its model', { runName: 'a', iterations: 3, pairs: { kind: 'given' } }, 'run'],
    ['a run with a section of pairs alone', { pairs: { kind: 'given' } }, 'run'],
    ['a run whose pairs are a file', { iterations: 3, models: {}, pairs: 'a.jsonl' }, 'run'],
    ['an evaluation that is asked to vote', { model: {}, evaluation: {}, votes: 3 }, 'evaluation'],
    ['an evaluation without its benchmarks', { model: {}, serving: {} }, 'evaluation'],
    ['nothing', {}, 'evaluation'],
    ['a judging at an endpoint', { serving: {}, judge: 'judge.json', pairs: 'a.jsonl' }, 'judging'],
    ['a judging without its pairs', { model: {}, serving: {}, orders: 'both' }, 'judging'],
    ['a judging whose pairs are a list', { model: {}, serving: {}, pairs: ['a.jsonl'] }, 'judging'],
  ];
  for (const [what, input, kind] of meant)
    it(`is known of ${what}`, () => {
      assert.equal(kindOf(input), kind);
    });
});
