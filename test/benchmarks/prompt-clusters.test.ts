import assert from 'node:assert/strict';
import { promptClusters } from '../../src/benchmarks/prompt-clusters.ts';
import { benchmarks } from '../support/benchmarks.ts';
import { judgeEachItem } from './fixture.ts';

const clustersOf = (instructions: string[]) => [
  ...promptClusters(instructions.map((instruction, i) => ({ id: String(i), instruction }))).values(),
];

describe('items with the same prompt', () => {
  it('are one cluster, also if only case, punctuation or a few words differ', () => {
    const long =
      'Explain to a child of ten years why the sky is blue in the day and red in the evening, and use no formula.';
    assert.deepEqual(
      clustersOf(['Why?', 'why', long, 'How?', `Please ${long.replace('no formula', 'no formula at all')}`]),
      ['0', '0', '2', '3', '2'],
    );
  });

  it('are not those with other numbers or other words', () => {
    assert.deepEqual(clustersOf(['largest number of: 72 60 11', 'largest number of: 72 60 15']), ['0', '1']);
    assert.deepEqual(clustersOf(['question 1', 'question 2', '', '?']), ['0', '1', '2', '3']);
    const short = clustersOf(Array.from({ length: 2000 }, (_, i) => `question ${i}`));
    assert.equal(new Set(short).size, 2000);
  });
});

const LANGUAGES = {
  cpp: ['C++', (name: string) => `bool ${name}(vector<float> numbers, float threshold)`],
  go: ['Go', (name: string) => `${camel(name, true)}(numbers []float64, threshold float64) bool`],
  java: ['Java', (name: string) => `Boolean ${camel(name)}(List<Double> numbers, double threshold)`],
  js: ['JavaScript', (name: string) => `${camel(name)}(numbers, threshold)`],
  python: ['Python', (name: string) => `${name}(numbers: List[float], threshold: float) -> bool`],
  rust: ['Rust', (name: string) => `${name}(numbers:Vec<f32>, threshold: f32) -> bool`],
} as const;

function camel(name: string, capital = false): string {
  const joined = name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return capital ? joined.charAt(0).toUpperCase() + joined.slice(1) : joined;
}

describe("RewardBench's six languages of one problem", () => {
  const problems = Array.from({ length: 20 }, (_, i) => `has_close_${String.fromCharCode(97 + i)}_elements`);
  const pairs = Object.entries(LANGUAGES).flatMap(([subset, [language, signature]], of) =>
    problems.map((name, i) => ({
      id: String(of * problems.length + i).padStart(3, '0'),
      subset: `hep-${subset}`,
      instruction: `Write a ${language} function \`${signature(name)}\` to solve the following problem:\nTask ${subset} ${name}`,
      better: 'b',
      worse: 'w',
    })),
  );
  const scores = benchmarks['reward-bench'].score(
    pairs,
    // The judge fails on whole problems, in every language.
    judgeEachItem(benchmarks['reward-bench'], pairs, ({ id }, slot) =>
      Number(id) % problems.length < 4 === (slot === 'better-first') ? '[[B]]' : '[[A]]',
    ),
    { seed: 1 },
  );

  it('are one cluster in the outcomes', () => {
    assert.equal(scores.accuracy, 0.8);
    const clusters = Map.groupBy(scores.outcomes, ({ id, cluster }) => cluster ?? id);
    assert.equal(clusters.size, problems.length);
    for (const cluster of clusters.values()) assert.equal(cluster.length, 6);
  });

  it('make the intervals as wide as those of 20 pairs, of our figures and of the published ones', () => {
    // Wilson, 16 of 20: 0.584 to 0.919. Taken as independent, 96 of 120 would be 0.720 to 0.862.
    const { low, high } = scores.accuracyInterval;
    assert(low < 0.6 && high > 0.9, `${low} to ${high}`);
    const total = scores.official.figures.find(({ name }) => name === 'total, both orders');
    assert(total?.interval !== undefined);
    assert(total.interval.low < 0.61 && total.interval.high > 0.9, JSON.stringify(total));
    const [cpp] = scores.subsets;
    assert(cpp !== undefined && cpp.accuracyInterval.low < 0.6);
  });
});
