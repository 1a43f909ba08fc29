import assert from 'node:assert/strict';
import { renderReport } from '../../../src/reporting/html/render-report.ts';
import type { ReportData } from '../../../src/reporting/report-data.ts';
import { labelledReport } from '../../support/labelled-report.ts';
import { sampleReport } from '../../support/sample-report.ts';

const text = async (data: ReportData) =>
  (await renderReport(data)).replace(/<(style|script)[^]*?<\/\1>|<[^>]*>/g, '').replace(/\s+/g, ' ');

describe('the report of own pairs', () => {
  it('shows the agreement of each judge with each rater and with most of them, and the pairs to look at first', async () => {
    const shown = await text(labelledReport());
    assert.match(shown, /Agreement with people Compared with ?M₀ ?M₁ ?most of 3 raters ?66\.7%/);
    assert.match(shown, /anna ?66\.7% [\d.]+–[\d.]+ κ 0\.\d\d/);
    assert.match(shown, /between raters \(Fleiss’ κ\)/);
    assert.match(shown, /Agreement of each rater with the majority of the others: &lt;b&gt;chris/);
    assert.match(shown, /The clearest disagreements of M₁ with people: pairs to look at first/);
    // The pairs on which the second judge errs and all people agree come first: 10, not 0, on which Ben agrees with it.
    assert.match(shown, /Share of judgments ?10mail/);
    assert.doesNotMatch(await renderReport(labelledReport()), /<b>chris/);
  });

  it('shows the biases with intervals, and what they mean', async () => {
    const shown = await text(sampleReport());
    assert.match(shown, /Biases Bias ?M₀ ?M₁/);
    assert.match(shown, /Position: for the response that is shown first ?\+\d+\.\d \+\d+\.\d to \+\d+\.\d/);
    assert.match(shown, /0 is no bias\. For M₃: Position\. /);
    assert.doesNotMatch(shown, /Agreement with people/);
  });

  it('shows the interval of each published figure', async () => {
    assert.match(await text(labelledReport()), /accuracy, both orders ?66\.7% \d\d\.\d–\d\d\.\d/);
  });
});
