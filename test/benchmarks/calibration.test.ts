import assert from 'node:assert/strict';
import { calibration, confidenceOf, fitTemperature } from '../../src/benchmarks/calibration.ts';

const ODDS = [0.1, 0.3, 0.5, 0.9, 1.2, 1.6, 2, 2.5, 3.1, 4, 0.2, 0.7, 1.4, 2.2, 5];
const CORRECT = [0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1];
const verdicts = ODDS.map((logOdds, index) => ({ logOdds, correct: CORRECT[index] === 1 }));
const near = (found: number | undefined, expected: number, tolerance = 1e-12) =>
  assert(Math.abs((found ?? NaN) - expected) < tolerance, `${found} is not ${expected}`);

/** The numbers are those of scikit-learn 1.9.1 (brier_score_loss, log_loss), scipy 1.17.1 (minimize_scalar) and numpy. */
describe('the calibration of verdicts', () => {
  it('has the Brier score, the calibration error and the risk of the reference', () => {
    const { brier, expectedCalibrationError, riskCoverage, bins } = calibration(verdicts) ?? assert.fail();
    near(brier, 0.21296257033560284);
    near(expectedCalibrationError, 0.2638084218417944);
    const risk = new Map(riskCoverage.map((point) => [point.coverage, point.risk]));
    near(risk.get(0.2), 0);
    near(risk.get(0.6), 2 / 9);
    near(risk.get(1), 1 / 3);
    assert.equal(bins.length, 10);
    assert.equal(
      bins.reduce((sum, bin) => sum + bin.verdicts, 0),
      verdicts.length,
    );
    assert.deepEqual([bins[0]?.from, bins.at(-1)?.to], [0.5, 1]);
  });

  it('has the temperature of the reference, at which the Brier score is better', () => {
    const temperature = fitTemperature(verdicts);
    near(temperature, 1.8073533624728402, 1e-5);
    near(calibration(verdicts, temperature)?.brier, 0.1979006972668359, 1e-6);
    near(confidenceOf({ logOdds: Math.log(3) }), 0.75);
  });

  it('does not depend on the order of verdicts that are equally sure', () => {
    const equal = [true, false, true, true].map((correct) => ({ logOdds: 1, correct }));
    const risks = [equal, equal.toReversed()].map((order) =>
      calibration(order)?.riskCoverage.map(({ risk }) => risk),
    );
    assert.deepEqual(risks[0], risks[1]);
    assert(risks[0]?.every((risk) => Math.abs(risk - 0.25) < 1e-12));
  });

  it('is missing without verdicts, and so is the temperature if none, or all, are right', () => {
    assert.equal(calibration([]), undefined);
    assert.equal(fitTemperature([]), undefined);
    for (const correct of [true, false])
      assert.equal(fitTemperature(verdicts.map((verdict) => ({ ...verdict, correct }))), undefined);
  });

  it('holds for certain verdicts', () => {
    const certain = [Infinity, 800, 0].map((logOdds) => ({ logOdds, correct: true }));
    const { brier, bins } = calibration(certain) ?? assert.fail();
    near(brier, 0.25 / 3);
    assert.deepEqual([bins[0]?.verdicts, bins.at(-1)?.verdicts], [1, 2]);
  });
});
