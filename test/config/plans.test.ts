import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { runFingerprintInputs } from '../../src/config/fingerprint-inputs.ts';
import { partOfRun } from '../../src/config/fine-tuning.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { judgedIteration, judgedSoFar } from '../../src/method/judged-iterations.ts';

const ready = resolve(import.meta.dirname, '../../temporal/inputs/evalplanner-8b-lora.json');
const input = JSON.parse(readFileSync(ready, 'utf8')) as Record<string, object>;

/** The messages of the problems of the ready configuration with other values, by their paths. */
function problemsOf(changes: Readonly<Record<string, unknown>>): Record<string, string> {
  const { problems } = parseConfiguration({ ...input, ...changes });
  return Object.fromEntries(problems.map(({ path, message }) => [path, message]));
}

describe('a configuration with plans', () => {
  const judging = (changes: object, ofPlan: object = {}) => ({
    judging: { samples: 4, plan: { samples: 5, ...ofPlan }, ...changes },
  });
  const sft = { method: 'sft' };
  const dpo = { method: 'dpo' };
  const reuse = { method: 'dpo', judgments: 'reuse' };
  const rounds = (...all: object[]) => ({ fineTuning: { rounds: all } });

  it('has all judgments of each plan, and plans that differ', () => {
    assert.deepEqual(problemsOf({}), {});
    const untilCorrect = judging({ strategy: { kind: 'until-correct', also: 'incorrect' } });
    assert.match(
      problemsOf(untilCorrect)['judging.strategy.kind'] ?? '',
      /judging\.plan .*"all".*remove the plan/,
    );
    const greedy = { temperature: 0, topP: 1, maxTokens: 512 };
    const path = 'judging.plan.sampling.temperature';
    assert.match(problemsOf(judging({}, { sampling: greedy }))[path] ?? '', /every plan is the same/);
    assert.deepEqual(problemsOf(judging({}, { sampling: greedy, samples: 1 })), {});
  });

  it('keeps as many judgments of an example as follow all its plans', () => {
    const of = (judgmentsPerExample: number) =>
      problemsOf({ ...judging({}), ...rounds(sft), filtering: { judgmentsPerExample }, iterations: 2 });
    assert.deepEqual(of(20), {});
    assert.match(
      of(21)['filtering.judgmentsPerExample'] ?? '',
      /more than judging\.plan\.samples x judging\.samples \(20\)/,
    );
  });

  it('has a round that learns what follows the plans', () => {
    const grpo = { method: 'grpo' };
    assert.match(
      problemsOf({ ...judging({}), ...rounds(grpo), iterations: 2 })['judging.plan'] ?? '',
      /no round of fineTuning\.rounds \(grpo\) learns/,
    );
    assert.deepEqual(problemsOf({ ...judging({}), ...rounds(sft, grpo), iterations: 2 }), {});
  });

  it('reuses judgments after a round that has judged, and for one training only', () => {
    const of = (iterations: number, ...all: object[]) =>
      problemsOf({ ...rounds(...all), iterations, pairs: {} });
    assert.match(of(2, reuse, dpo)['fineTuning.rounds.0.judgments'] ?? '', /before which nothing is judged/);
    assert.match(of(3, sft, reuse)['fineTuning.rounds.1.judgments'] ?? '', /iterations 2 to 3 repeat/);
    assert.deepEqual(of(2, sft, reuse), {});
    assert.deepEqual(of(5, sft, reuse, dpo), {});
    const parts = problemsOf({ ...rounds(sft, reuse, dpo), iterations: 3, pairs: { parts: 3 } });
    assert.match(parts['pairs.parts'] ?? '', /found 3, but the run judges in 2 iterations: .* set 2 at most/);
  });

  it('takes the next part of the pairs only with a new judging', () => {
    const reused = [false, true, true, false];
    const iterations = [1, 2, 3, 4, 5];
    assert.deepEqual(
      iterations.map((each) => judgedIteration(reused, each)),
      [1, 1, 1, 4, 5],
    );
    assert.deepEqual(
      iterations.map((each) => judgedSoFar(reused, each)),
      [1, 1, 1, 2, 3],
    );
    assert.deepEqual(
      iterations.map((each) => judgedIteration([], each)),
      iterations,
    );
    const { configuration } = parseConfiguration(input);
    assert(configuration !== undefined);
    assert.deepEqual(
      [1, 2, 3].map((each) => partOfRun(configuration, each).part),
      [0, 0, 1],
    );
  });

  it('is another run than one without, whose identity knows nothing of plans', () => {
    const identity = (changes: object) => {
      const { configuration } = parseConfiguration({ ...input, ...changes });
      assert(configuration !== undefined);
      return JSON.stringify(runFingerprintInputs(configuration));
    };
    const without = { judging: { samples: 4 }, iterations: 3, ...rounds(sft, dpo) };
    assert.doesNotMatch(identity(without), /"plan"|"judgments"/);
    assert.match(identity({}), /"plan":.*"judgments":"reuse"/);
  });
});
