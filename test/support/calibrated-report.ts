import { judgeCalibration, type SubsetVerdict } from '../../src/benchmarks/judge-calibration.ts';
import type { ReportData } from '../../src/reporting/report-data.ts';
import { sampleReport } from './sample-report.ts';

/** The report of a run that measures probabilities: its judges are surer than they are right. */
export function calibratedReport({ hasValidation = true } = {}): ReportData {
  const report = sampleReport();
  const iterations = report.iterations.map((judge) => {
    const evaluations = judge.evaluations.map((evaluation) => {
      const calibration = { verdicts: 200, withoutProbability: 3 };
      return { ...evaluation, scores: { ...evaluation.scores, calibration } };
    });
    const verdicts = sampleVerdicts();
    const measured = evaluations
      .filter(({ purpose }) => hasValidation || purpose === 'test')
      .map(({ benchmark, purpose }) => ({ benchmark, purpose, verdicts }));
    return { ...judge, evaluations, calibration: judgeCalibration(measured) };
  });
  return { ...report, iterations };
}

/** 200 verdicts whose log-odds are twice as large as they should be. */
function sampleVerdicts(): SubsetVerdict[] {
  return Array.from({ length: 200 }, (_, index) => {
    const honest = (4 * index) / 200;
    const isCorrect = (index * 0.618) % 1 < 1 / (1 + Math.exp(-honest));
    return { subset: index % 3 === 0 ? 'first' : 'last', logOdds: 2 * honest, correct: isCorrect };
  });
}
