import assert from 'node:assert/strict';
import type { EvaluationSummary } from '../../../src/api/result.ts';
import { evaluationResultTable } from '../../../src/cli/output/result-table.ts';
import { formatPercent } from '../../../src/platform/format-percent.ts';
import { evaluationTable } from '../../../src/workflows/evaluation-table.ts';

describe('a missing figure', () => {
  it('is printed in the same way on the terminal, in the Web UI and in the report', () => {
    const evaluation: EvaluationSummary = {
      benchmark: 'test',
      purpose: 'test',
      accuracy: 0.5,
      positionConsistentAccuracy: 0.25,
      shareOfA: null,
      unparsable: 1,
      pairs: 4,
      scores: { uri: 'run/scores', sha256: '', records: 1, bytes: 1 },
    };
    const missing = formatPercent(null);
    const terminal = evaluationResultTable({ evaluations: [evaluation] });
    const cells = terminal.split('\n').at(-2)?.split('│') ?? [];
    assert.deepEqual(
      cells.slice(1, -1).map((cell) => cell.trim()),
      ['test', missing, '50.0%', '25.0%', missing, '100.0%', '4'],
    );
    const webUi = evaluationTable([evaluation]).split('\n').at(-1);
    assert.equal(webUi, `| test | ${missing} | 50.0% | 25.0% | ${missing} | 100.0% | 4 | ${missing} |`);
  });
});
