import assert from 'node:assert/strict';
import { instructionBreakdowns } from '../../../src/reporting/html/instruction-breakdown-section.ts';
import { renderReport } from '../../../src/reporting/html/render-report.ts';
import { sampleReport } from '../../support/sample-report.ts';

describe('the categories of instructions in the report', () => {
  const kinds = instructionBreakdowns(
    {
      'category: <b>coding': 20,
      'category: reasoning': 60,
      'category: none': 20,
      'complexity: 1': 9,
      promptTokens: 7,
    },
    { selected: 50, 'selected category: reasoning': 50 },
  );

  it('come from the counts of the stages, categories by size', () => {
    assert.deepEqual(kinds, [
      {
        kind: 'category',
        rows: [
          { name: 'reasoning', instructions: 60, selected: 50 },
          { name: '<b>coding', instructions: 20, selected: 0 },
          { name: 'none', instructions: 20, selected: 0 },
        ],
      },
      { kind: 'complexity', rows: [{ name: '1', instructions: 9, selected: 0 }] },
    ]);
    assert.deepEqual(instructionBreakdowns(undefined, { selected: 3 }), []);
  });

  it('are shown with their share as text', async () => {
    const page = await renderReport({ ...sampleReport(), instructionBreakdowns: kinds });
    assert.match(page, /Categories and complexity of the instructions/);
    assert.match(page, /reasoning<\/td>\s*<td class="number">60<\/td>\s*<td class="number">60\.0%<\/td>/);
    assert(page.includes('&lt;b&gt;coding') && !page.includes('<b>coding'));
    assert.doesNotMatch(await renderReport(sampleReport()), /Categories and complexity of the instructions/);
  });
});
