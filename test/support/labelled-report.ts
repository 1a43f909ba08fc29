import type { ReportData, ReportIteration } from '../../src/reporting/report-data.ts';
import { judgeEachItem } from '../benchmarks/fixture.ts';
import { benchmarks } from './benchmarks.ts';
import { sampleReport } from './sample-report.ts';

/** Two judges on own pairs that three people have labelled. The second one errs on every tenth pair, the first on every third. */
export function labelledReport(): ReportData {
  const items = Array.from({ length: 60 }, (_, i) => ({
    id: String(i).padStart(2, '0'),
    subset: i < 30 ? 'mail' : 'code',
    instruction: `question ${i}`,
    better: `response ${i} ${'word '.repeat(i % 2 === 0 ? 40 : 10)}`,
    worse: `other ${i} ${'word '.repeat(i % 2 === 0 ? 10 : 40)}`,
    labels: { anna: 'better', ben: i % 7 === 0 ? 'worse' : 'better', '<b>chris</b>': 'better' } as const,
  }));
  const iterations = [3, 10].map((every, iteration): ReportIteration => {
    const judgments = judgeEachItem(benchmarks.pairs, items, ({ id }, slot) =>
      (Number(id) % every === 0) === (slot === 'better-first') ? 'For many good reasons [[B]]' : '[[A]]',
    );
    const scores = benchmarks.pairs.score(items, judgments, { seed: 1 });
    return { iteration, evaluations: [{ benchmark: 'own', purpose: 'test', scores }] };
  });
  return { ...sampleReport(), iterations, comparisons: [], bestIteration: 1 };
}
