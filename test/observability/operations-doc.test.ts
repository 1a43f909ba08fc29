import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { prometheusName, WORKER_METRICS } from '../../src/observability/metric-definitions.ts';
import { WORKER_OPTIONS } from '../../src/worker/options.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

describe('docs/operations.md', () => {
  const text = readFileSync(join(packageRoot, 'docs', 'operations.md'), 'utf8');

  it('explains every metric of the list with the text of the list', () => {
    const rows = text
      .split('\n')
      .filter((line) => line.startsWith('| `self_taught_evaluator_'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    const expected = Object.values(WORKER_METRICS).map((metric) => [
      `\`${prometheusName(metric)}\``,
      metric.labels.join(', '),
      metric.help,
    ]);
    assert.deepEqual(rows, expected);
  });

  it('names every option and variable of the worker for observability', () => {
    for (const option of ['log-level', 'log-format', 'metrics-address', 'health-address'] as const) {
      const { variable } = WORKER_OPTIONS[option];
      assert.match(text, new RegExp(`\\| \`--${option}\` +\\| \`${variable}\` `));
    }
  });
});
