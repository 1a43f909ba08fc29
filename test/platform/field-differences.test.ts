import assert from 'node:assert/strict';
import { fieldDifferences, formatConflict } from '../../src/platform/field-differences.ts';

describe('the fields at which two fingerprints differ', () => {
  it('are named by path, with what was and what is', () => {
    const found = { stage: 'judge', sampling: { temperature: 0.7, topP: 1 }, names: ['a', 'b'], old: true };
    const wanted = { stage: 'judge', sampling: { temperature: 1, topP: 1 }, names: ['b', 'a'], fresh: null };
    assert.deepEqual(fieldDifferences(found, wanted), [
      { field: 'fresh', before: 'not set', after: 'null' },
      { field: 'names', before: '["a","b"]', after: '["b","a"]' },
      { field: 'old', before: 'true', after: 'not set' },
      { field: 'sampling.temperature', before: '0.7', after: '1' },
    ]);
  });

  it('are none between a fingerprint and what JSON makes of it, in any order', () => {
    const fingerprint = { b: { d: undefined, c: [1, { y: 1, x: 2 }] }, a: null };
    assert.deepEqual(fieldDifferences({ a: null, b: { c: [1, { x: 2, y: 1 }] } }, fingerprint), []);
  });

  it('are named at their depth within a list of objects', () => {
    const rounds = (maxSteps: number, ...more: object[]) => [
      { method: 'sft', hyperparameters: { maxSteps: 4, adamBetas: [0.9, 0.95] } },
      { method: 'dpo', hyperparameters: { maxSteps, adamBetas: [0.9, 0.95] } },
      ...more,
    ];
    const differences = fieldDifferences({ rounds: rounds(12) }, { rounds: rounds(8, { method: 'grpo' }) });
    assert.deepEqual(differences, [
      { field: 'rounds.1.hyperparameters.maxSteps', before: '12', after: '8' },
      { field: 'rounds.2', before: 'not set', after: '{"method":"grpo"}' },
    ]);
  });

  it('are shown in part if they are many or long', () => {
    const fields = (value: unknown, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`field${index}`, value]));
    const conflict = (count: number) =>
      formatConflict(fieldDifferences(fields(1, count), fields('x'.repeat(500), count)));
    const shown = `is 1 in that run and "${'x'.repeat(99)}... in this one`;
    assert.equal(conflict(1), `field0 ${shown}`);
    const five = Array.from({ length: 5 }, (_, index) => `field${index} ${shown}`).join('; ');
    assert.deepEqual(
      [conflict(5), conflict(6), conflict(8)],
      [five, `${five}; and 1 more field`, `${five}; and 3 more fields`],
    );
  });
});
