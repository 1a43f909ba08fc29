import assert from 'node:assert/strict';
import { renderReport } from '../../../src/reporting/html/render-report.ts';
import type { ReportData } from '../../../src/reporting/report-data.ts';
import { calibratedReport } from '../../support/calibrated-report.ts';
import { sampleReport } from '../../support/sample-report.ts';

const text = async (data: ReportData) =>
  (await renderReport(data)).replace(/<(style|script)[^]*?<\/\1>|<[^>]*>/g, '').replace(/\s+/g, ' ');

describe('the report of the probabilities of verdicts', () => {
  it('shows the figures of each judge and subset before and after the temperature, and both curves', async () => {
    const shown = await text(calibratedReport());
    assert.match(
      shown,
      /Probabilities of verdicts Judge ?Verdicts ?Brier ?ECE ?Temperature ?Brier, calibrated ?ECE, calibrated/,
    );
    assert.match(shown, /M₃ ?200 ?0\.\d{3} ?\d+\.\d% ?\d\.\d\d ?0\.\d{3} ?\d+\.\d%/);
    assert.match(shown, /Calibrated: after the log-odds are divided by one temperature/);
    assert.match(shown, /3 judgments of M₃ name no response by its letter/);
    assert.match(shown, /Reliability of M₃ as given calibrated/);
    assert.match(shown, /Errors of M₃ among its surest verdicts/);
    assert.match(shown, /95% to 100% ?\d+ ?9\d\.\d% ?\d+\.\d%/);
    assert.match(shown, /Surest verdicts ?Least probability ?Incorrect ?10%/);
    assert.match(shown, /Subset ?Verdicts ?Brier ?ECE ?Brier, calibrated ?ECE, calibrated first ?67/);
    const { temperature } = calibratedReport().iterations[3]?.calibration ?? {};
    assert(temperature !== undefined && temperature > 1.3 && temperature < 3);
  });

  it('says why there is no temperature', async () => {
    const shown = await text(calibratedReport({ hasValidation: false }));
    assert.match(
      shown,
      /no temperature is fitted, because no benchmark with the purpose validation has probabilities/,
    );
    assert.doesNotMatch(shown, /ECE, calibrated/);
  });

  it('says if no verdict has a probability, and is silent if none was asked for', async () => {
    const report = calibratedReport();
    const without = {
      ...report,
      iterations: report.iterations.map((judge) => ({ ...judge, calibration: { benchmarks: [] } })),
    };
    assert.match(
      await text(without),
      /No verdict has a probability: no judgment names a response by \[\[A\]\]/,
    );
    assert.doesNotMatch(await text(sampleReport()), /Probabilities of verdicts/);
  });
});
