import assert from 'node:assert/strict';
import { verdictProbabilities } from '../../src/method/verdict-probability.ts';

/** A token with its probability, and those of others at its place. */
function token(text: string, probability: number, others: Readonly<Record<string, number>> = {}) {
  const top = Object.entries({ [text]: probability, ...others }).map(([name, value]) => ({
    token: name,
    logprob: Math.log(value),
  }));
  return { token: text, logprob: Math.log(probability), top };
}

function assertNear(found: object | undefined, expected: Readonly<Record<string, number>>): void {
  assert.deepEqual(Object.keys(found ?? {}).sort(), Object.keys(expected).sort());
  for (const [name, value] of Object.entries(found ?? {}))
    assert(Math.abs(value - (expected[name] ?? NaN)) < 1e-12, JSON.stringify(found));
}

describe('the probabilities of a verdict', () => {
  it('are those of both letters at the last verdict, whatever tokens it is made of', () => {
    const reasons = [
      token('A', 0.6, { B: 0.4 }),
      token(' is better ', 1),
      token('[[A]]', 0.3, { '[[B]]': 0.7 }),
      token('. ', 1),
    ];
    const forms = [
      [token('[[A]]', 0.8, { '[[B]]': 0.15 })],
      [token('[[', 1), token('A', 0.8, { B: 0.15 }), token(']]', 1)],
      [token('[', 1), token('[A', 0.8, { '[B': 0.15, A: 0.05 }), token(']', 1), token(']', 1)],
    ];
    for (const form of forms) {
      assertNear(verdictProbabilities(form), { A: 0.8, B: 0.15 });
      assertNear(verdictProbabilities([...reasons, ...form]), { A: 0.8, B: 0.15 });
    }
    assertNear(verdictProbabilities([token(' B', 0.9, { ' A': 0.1 }), token('\n', 1)]), { B: 0.9, A: 0.1 });
  });

  it('have a bound for a letter that is not among the most likely tokens', () => {
    assertNear(verdictProbabilities([token('[[B]]', 0.9, { x: 0.06, y: 0.02 })]), { B: 0.9, A: 0.02 });
    assertNear(verdictProbabilities([token('[[B]]', 0.9, { x: 0.06, y: 0.03 })]), { B: 0.9, A: 0.01 });
  });

  it('are missing without a verdict, with a tie, and where the server gives none', () => {
    assert.equal(verdictProbabilities([]), undefined);
    assert.equal(verdictProbabilities([token('both are fine', 1)]), undefined);
    assert.equal(verdictProbabilities([token('[[A]] ', 0.5), token('[[C]]', 0.5)]), undefined);
    assert.equal(verdictProbabilities([{ token: '[[A]]', logprob: -0.1, top: [] }]), undefined);
  });
});
