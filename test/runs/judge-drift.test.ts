import assert from 'node:assert/strict';
import { driftSentences, driftWarnings } from '../../src/api/drift-text.ts';
import type { RunComparison, SharedBenchmark } from '../../src/runs/compare-runs.ts';
import { benchmarkDrifts, driftResult } from '../../src/runs/judge-drift.ts';

/** A comparison of two judges on a benchmark of 100 items. */
function shared(
  name: string,
  pValue: number,
  difference: number,
  changes: Partial<SharedBenchmark> = {},
): SharedBenchmark {
  const change = { difference, interval: { low: difference - 0.1, high: difference + 0.1 } };
  const sides = { first: 0.5, second: 0.5 + difference };
  return {
    first: name,
    second: name,
    evaluationDifferences: [],
    items: { first: 100, second: 100, common: 100, changed: 0 },
    comparison: {
      items: 100,
      accuracy: change,
      consistent: change,
      mcNemar: { onlyFirst: 0, onlySecond: 0, clusters: 100, pValue },
    },
    accuracy: sides,
    positionConsistentAccuracy: sides,
    ...changes,
  };
}

function comparisonOf(benchmarks: SharedBenchmark[], only: Partial<RunComparison> = {}): RunComparison {
  const judge = { runName: 'r', iteration: 0 };
  return { first: judge, second: judge, benchmarks, onlyFirst: [], onlySecond: [], ...only };
}

const statuses = (benchmarks: SharedBenchmark[], significance = 0.01) =>
  benchmarkDrifts(comparisonOf(benchmarks), significance).map(({ status }) => status);

describe('the drift of a judge', () => {
  it('is worse or better by the sign of a significant difference, and none otherwise', () => {
    assert.deepEqual(statuses([shared('a', 0.009, -0.2)]), ['worse']);
    assert.deepEqual(statuses([shared('a', 0.009, 0.2)]), ['better']);
    assert.deepEqual(statuses([shared('a', 0.011, -0.2)]), ['none']);
    assert.deepEqual(statuses([shared('a', 0.04, -0.2)], 0.05), ['worse']);
  });

  // The example of Wikipedia's article on the Holm-Bonferroni method: of 0.01, 0.04, 0.03, 0.005 at 0.05 the first and fourth are rejected.
  it('corrects for the number of benchmarks by the method of Holm', () => {
    const benchmarks = [0.01, 0.04, 0.03, 0.005].map((pValue, index) => shared(`b${index}`, pValue, -0.2));
    assert.deepEqual(statuses(benchmarks, 0.05), ['worse', 'none', 'none', 'worse']);
    assert.deepEqual(statuses([shared('a', 0.006, -0.2), shared('b', 0.006, -0.2)]), ['none', 'none']);
    assert.deepEqual(statuses([shared('a', 0.004, -0.2), shared('b', 0.009, -0.2)]), ['worse', 'worse']);
  });

  it('is not looked for on a benchmark that has changed, whose reason is given and which does not count as a test', () => {
    const otherPrompt = shared('prompted', 1e-9, -0.9, {
      evaluationDifferences: [{ field: 'prompt', before: '"text 1"', after: '"text 2"' }],
    });
    const otherItems = shared('longer', 1e-9, -0.9, {
      items: { first: 100, second: 120, common: 99, changed: 1 },
    });
    const found = benchmarkDrifts(
      comparisonOf([otherPrompt, otherItems, shared('same', 0.009, -0.2)], {
        onlyFirst: ['gone'],
        onlySecond: ['new'],
      }),
      0.01,
    );
    assert.deepEqual(
      found.map(({ benchmark, status, reason }) => [benchmark, status, reason]),
      [
        ['prompted', 'not-compared', 'it was evaluated in another way (prompt: "text 1", now "text 2")'],
        [
          'longer',
          'not-compared',
          'the benchmark has changed (99 items are the same, of 100 before and 120 now)',
        ],
        ['same', 'worse', undefined],
        ['new', 'not-compared', 'it has no earlier figures'],
        ['gone', 'not-compared', 'it is not evaluated any more'],
      ],
    );
  });

  it('is the worst of all benchmarks', () => {
    const statusOf = (...benchmarks: SharedBenchmark[]) =>
      driftResult(benchmarkDrifts(comparisonOf(benchmarks), 0.01), 0.01).status;
    const [worse, better, same] = [shared('a', 0.001, -0.2), shared('b', 0.001, 0.2), shared('c', 1, 0)];
    const changed = shared('d', 0.001, -0.2, { items: { first: 1, second: 2, common: 1, changed: 0 } });
    assert.equal(statusOf(same, better, worse, changed), 'worse');
    assert.equal(statusOf(same, better, changed), 'better');
    assert.equal(statusOf(same, changed), 'none');
    assert.equal(statusOf(changed), 'not-compared');
  });

  it('is said in sentences; alarms and changed benchmarks are warnings', () => {
    const benchmarks = benchmarkDrifts(
      comparisonOf([shared('a', 0.0012, -0.2), shared('b', 0.5, 0.01)], { onlySecond: ['new'] }),
      0.01,
    );
    const earlier = { runName: 'nightly-2026-03-01', iteration: 0, checkpoint: 'some/model' };
    const drift = driftResult(benchmarks, 0.01, earlier);
    assert.deepEqual(driftSentences(drift), [
      'On a the judge is worse than in nightly-2026-03-01: correct in both orders 30.0%, before 50.0% (-20.0 points, 95% interval -30.0 to -10.0, p = 0.001).',
      'On b the judge does not differ significantly from nightly-2026-03-01: correct in both orders 51.0%, before 50.0% (+1.0 points, 95% interval -9.0 to +11.0, p = 0.500).',
      'new is not compared with nightly-2026-03-01: it has no earlier figures.',
    ]);
    assert.deepEqual(
      driftWarnings(drift).map((warning) => warning.slice(0, 8)),
      ['On a the', 'new is n'],
    );
    // The first evaluation of a series has nothing to warn of.
    assert.deepEqual(driftWarnings(driftResult([{ benchmark: 'a', status: 'not-compared' }], 0.01)), []);
  });
});
