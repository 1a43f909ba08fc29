import type { EvaluationSummary } from '../api/result.ts';
import { storedCalibration } from '../runs/stored-calibration.ts';
import type { Dependencies } from './dependencies.ts';
import { withHeartbeats } from './heartbeats.ts';

export interface CalibrateJudgeInput {
  readonly evaluations: readonly EvaluationSummary[];
}

/** Fits the temperature of a judge's verdicts on validation, and adds the figures after it to those of each benchmark. */
export function calibrateJudge(
  { store }: Pick<Dependencies, 'store'>,
  { evaluations }: CalibrateJudgeInput,
): Promise<readonly EvaluationSummary[]> {
  return withHeartbeats(async () => {
    const found = await storedCalibration(store, evaluations);
    if (found === undefined) return evaluations;
    const { temperature, notFitted, benchmarks } = found;
    return evaluations.map((evaluation): EvaluationSummary => {
      if (evaluation.calibration === undefined) return evaluation;
      const calibrated = benchmarks.find(({ benchmark }) => benchmark === evaluation.benchmark)?.calibrated;
      return {
        ...evaluation,
        calibration: {
          ...evaluation.calibration,
          ...(temperature === undefined ? {} : { temperature }),
          ...(notFitted === undefined ? {} : { notFitted }),
          ...(calibrated === undefined
            ? {}
            : {
                calibratedBrierScore: calibrated.brier,
                calibratedExpectedCalibrationError: calibrated.expectedCalibrationError,
              }),
        },
      };
    });
  });
}
