import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ConfigurationKind, detectConfigurationKind } from '../../src/config/configuration-kind.ts';

const inputs = resolve(import.meta.dirname, '../../temporal/inputs');

describe('the kind of a configuration', () => {
  it('is that of its schema, for each ready configuration', () => {
    const kinds: Record<string, ConfigurationKind> = {
      '../../schema/configuration.schema.json': 'run',
      '../../schema/evaluation.schema.json': 'evaluation',
      '../../schema/judging.schema.json': 'judging',
    };
    const seen = new Set<ConfigurationKind>();
    for (const file of readdirSync(inputs)) {
      const { $schema, ...input } = JSON.parse(readFileSync(join(inputs, file), 'utf8')) as {
        $schema: string;
      };
      assert.equal(detectConfigurationKind(input), kinds[$schema], file);
      seen.add(detectConfigurationKind(input));
    }
    assert.equal(seen.size, 3);
  });

  const meant: readonly [string, object, ConfigurationKind][] = [
    ['a run without its model', { runName: 'a', iterations: 3, pairs: { kind: 'provided' } }, 'run'],
    ['a run with a section of pairs alone', { pairs: { kind: 'provided' } }, 'run'],
    ['a run whose pairs are a file', { iterations: 3, models: {}, pairs: 'a.jsonl' }, 'run'],
    ['an evaluation that is asked to vote', { model: {}, evaluation: {}, votes: 3 }, 'evaluation'],
    ['an evaluation without its benchmarks', { model: {}, serving: {} }, 'evaluation'],
    ['nothing', {}, 'evaluation'],
    ['a judging at an endpoint', { serving: {}, judgeFile: 'judge.json', pairsFile: 'a.jsonl' }, 'judging'],
    ['a judging without its pairs', { model: {}, serving: {}, orders: 'both' }, 'judging'],
    ['a judging whose pairs are a list', { model: {}, serving: {}, pairsFile: ['a.jsonl'] }, 'judging'],
  ];
  for (const [what, input, kind] of meant)
    it(`is detected for ${what}`, () => {
      assert.equal(detectConfigurationKind(input), kind);
    });
});
