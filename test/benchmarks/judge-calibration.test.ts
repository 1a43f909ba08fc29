import assert from 'node:assert/strict';
import { calibration, fitTemperature } from '../../src/benchmarks/calibration.ts';
import {
  type BenchmarkVerdicts,
  judgeCalibration,
  confidentVerdicts,
} from '../../src/benchmarks/judge-calibration.ts';

/** Verdicts that are surer than they are right: 90% of probability, 7 of 10 correct. */
function overconfident(benchmark: string, purpose: 'validation' | 'test', correct = 7): BenchmarkVerdicts {
  const verdicts = Array.from({ length: 10 }, (_, index) => ({
    subset: index % 2 === 0 ? 'even' : 'odd',
    logOdds: Math.log(9),
    correct: index < correct,
  }));
  return { benchmark, purpose, verdicts };
}

describe('the calibration of a judge', () => {
  it('fits one temperature on validation alone, and has the figures before and after it, by benchmark and subset', () => {
    const [validation, test] = [overconfident('dev', 'validation'), overconfident('test', 'test', 5)];
    const found = judgeCalibration([test, validation]);
    // At it the probability is 0.7.
    const expected = Math.log(9) / Math.log(7 / 3);
    assert(Math.abs((found.temperature ?? 0) - expected) < 1e-6);
    assert.equal(found.temperature, fitTemperature(validation.verdicts));
    assert.equal(found.notFitted, undefined);
    assert.deepEqual(
      found.benchmarks.map(({ benchmark }) => benchmark),
      ['test', 'dev'],
    );
    const [ofTest, ofDev] = found.benchmarks;
    assert.deepEqual(ofTest?.raw, calibration(test.verdicts));
    assert(Math.abs((ofTest?.raw.expectedCalibrationError ?? 0) - 0.4) < 1e-9);
    assert(Math.abs((ofTest?.calibrated?.expectedCalibrationError ?? 0) - 0.2) < 1e-6);
    assert((ofDev?.calibrated?.expectedCalibrationError ?? 1) < 1e-6);
    assert.deepEqual(
      ofDev?.subsets.map(({ name, raw }) => [name, raw.verdicts]),
      [
        ['even', 5],
        ['odd', 5],
      ],
    );
  });

  it('has no temperature without validation, and says why', () => {
    const reasons = [
      [[overconfident('test', 'test')], /no benchmark with the purpose validation/],
      [[overconfident('dev', 'validation', 10)], /all verdicts on the validation benchmarks are correct/],
      [[{ ...overconfident('dev', 'validation'), verdicts: [] }], /no verdict on the validation benchmarks/],
    ] as const;
    for (const [evaluated, reason] of reasons) {
      const { temperature, notFitted = '', benchmarks } = judgeCalibration(evaluated);
      assert.equal(temperature, undefined);
      assert.match(notFitted, reason);
      assert(benchmarks.every(({ calibrated }) => calibrated === undefined));
    }
  });

  it('reads the log-odds of the letter that a judgment names, and counts the judgments without one', () => {
    const items = [{ id: '0', subset: 'sums', instruction: '' }];
    const probabilities = { A: 0.2, B: 0.8 };
    const of = (slot: string, text: string, given?: typeof probabilities) => ({
      ...{ item: '0', slot, text },
      ...(given === undefined ? {} : { probabilities: given }),
    });
    const { verdicts, withoutProbability } = confidentVerdicts(
      items,
      [
        of('better-first', 'So [[B]]', probabilities),
        of('worse-first', '<think>[[A]]?</think> [[B]]', probabilities),
        of('worse-first', '[[B]]'),
        of('worse-first', '[[C]]', probabilities),
        of('rating-1', '[[B]]', probabilities),
      ],
      undefined,
    );
    assert.equal(withoutProbability, 3);
    assert.deepEqual(
      verdicts.map(({ subset, logOdds, correct }) => [subset, logOdds.toFixed(6), correct]),
      [
        ['sums', Math.log(4).toFixed(6), false],
        ['sums', Math.log(4).toFixed(6), true],
      ],
    );
  });
});
