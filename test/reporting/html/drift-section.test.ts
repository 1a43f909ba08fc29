import assert from 'node:assert/strict';
import type { Drift } from '../../../src/api/drift.ts';
import { renderReport } from '../../../src/reporting/html/render-report.ts';
import { sampleReport } from '../../support/sample-report.ts';

const figure = { before: 0.9, now: 0.8, difference: -0.1, interval: { low: -0.15, high: -0.05 } };
const drift: Drift = {
  status: 'worse',
  comparedWith: { runName: 'nightly-2026-03-01', iteration: 0, checkpoint: '<b>judge' },
  significance: 0.01,
  benchmarks: [
    {
      benchmark: 'test',
      status: 'worse',
      items: 1200,
      accuracy: figure,
      positionConsistentAccuracy: figure,
      pValue: 0.00123,
    },
    { benchmark: 'other', status: 'not-compared', reason: 'the prompt <i>' },
  ],
};

describe('the comparison with earlier figures in the report', () => {
  it('has both figures of each benchmark, marks alarms, and says why a benchmark is not compared', async () => {
    const page = (await renderReport({ ...sampleReport(), drift })).replaceAll(/\s+/g, ' ');
    assert.match(page, /<h2>Compared with nightly-2026-03-01<\/h2>/);
    const [, row = ''] =
      /<tr class="marked">(.*?)<\/tr>/.exec(page.slice(page.indexOf('Compared with'))) ?? [];
    assert.match(
      row,
      /test.*worse.*1,200.*90\.0% → 80\.0% <small>−10\.0 \(−15\.0 to −5\.0\)<\/small>.*0\.001</,
    );
    assert.match(page, /other<\/td>\s*<td class="text">not compared<\/td>.*the prompt &lt;i&gt;/);
    assert.match(page, /The earlier judge is &lt;b&gt;judge\..*by chance in 1\.0% of evaluations/);
  });

  it('has the reason if there are no earlier figures, and is left out if none were asked for', async () => {
    const first: Drift = {
      status: 'not-compared',
      significance: 0.01,
      benchmarks: [{ benchmark: 'test', status: 'not-compared', reason: 'the first one' }],
    };
    const page = await renderReport({ ...sampleReport(), drift: first });
    assert.match(page, /<h2>Earlier figures<\/h2>/);
    assert.match(page, /the first one/);
    assert.doesNotMatch(page, /The earlier judge is/);
    assert.doesNotMatch(await renderReport(sampleReport()), /Earlier figures|Compared with nightly/);
  });
});
