import assert from 'node:assert/strict';
import type { EvaluationSummary, IterationSummary } from '../../src/api/result.ts';
import {
  bestCheckpoint,
  bestIteration,
  selectingBenchmarks,
  shouldStopEarly,
  type ModelSelection,
} from '../../src/method/model-selection.ts';

type Figures = readonly [accuracy: number, positionConsistentAccuracy: number];

function evaluation(
  benchmark: string,
  purpose: 'validation' | 'test',
  [accuracy, positionConsistentAccuracy]: Figures,
): EvaluationSummary {
  const scores = { uri: benchmark, sha256: '', records: 1, bytes: 1 };
  return {
    benchmark,
    purpose,
    accuracy,
    positionConsistentAccuracy,
    shareOfA: 0.5,
    unparsable: 0,
    pairs: 9,
    scores,
  };
}

/** The iterations of a run by their evaluations, M_0 first. */
const completed = (...evaluations: EvaluationSummary[][]): IterationSummary[] =>
  evaluations.map((all, iteration) => ({
    iteration,
    model: { checkpoint: 'm', sha256: `${iteration}` },
    evaluations: all,
    counts: {},
    seconds: {},
  }));
const validated = (...accuracies: number[]) =>
  completed(...accuracies.map((accuracy) => [evaluation('validation', 'validation', [accuracy, 0])]));
const plan = (changes: Partial<ModelSelection> = {}): ModelSelection => ({ metric: 'accuracy', ...changes });

describe('the best checkpoint', () => {
  it('has the best mean accuracy on the validation benchmarks; test benchmarks don’t count', () => {
    const row = (one: number, two: number, test: number) => [
      evaluation('one', 'validation', [one, 0]),
      evaluation('two', 'validation', [two, 0]),
      evaluation('test', 'test', [test, 0]),
    ];
    assert.equal(bestIteration(completed(row(0.5, 0.5, 1), row(0.9, 0.5, 0), row(0.6, 0.6, 1)), plan()), 1);
  });

  it('is the earlier of two equal ones, and the seed model if no other is better', () => {
    assert.equal(bestIteration(validated(0.5, 0.8, 0.8), plan()), 1);
    assert.equal(bestIteration(validated(0.8, 0.7), plan()), 0);
    assert.equal(bestIteration([], plan()), 0);
  });

  it('is selected by the configured benchmark and metric', () => {
    const row = (other: Figures, named: Figures) => [
      evaluation('other', 'validation', other),
      evaluation('named', 'validation', named),
    ];
    const rows = completed(
      row([0.9, 0.1], [0.1, 0.2]),
      row([0.1, 0.9], [0.3, 0.1]),
      row([0.2, 0.2], [0.2, 0.3]),
    );
    assert.equal(bestIteration(rows, plan({ benchmark: 'named' })), 1);
    assert.equal(bestIteration(rows, plan({ benchmark: 'named', metric: 'positionConsistentAccuracy' })), 2);
    assert.equal(bestIteration(rows, plan({ metric: 'positionConsistentAccuracy' })), 1);
    assert.equal(bestIteration(rows, plan()), 0);
  });

  it('is selected by test benchmarks if there is no validation benchmark', () => {
    const rows = completed([evaluation('test', 'test', [0.5, 0])], [evaluation('test', 'test', [0.6, 0])]);
    assert.equal(bestIteration(rows, plan()), 1);
  });
});

describe('stopping early', () => {
  const stops = (patience: number, minDelta: number, ...accuracies: number[]) =>
    shouldStopEarly(validated(...accuracies), plan({ earlyStopping: { patience, minDelta } }));

  it('never happens without the setting', () => {
    assert(!shouldStopEarly(validated(0.9, 0.1, 0.1, 0.1), plan()));
  });

  it('happens after `patience` consecutive iterations without a gain', () => {
    assert(!stops(2, 0, 0.5, 0.6, 0.6));
    assert(stops(2, 0, 0.5, 0.6, 0.6, 0.55));
    assert(!stops(2, 0, 0.5, 0.6, 0.6, 0.61));
    assert(stops(1, 0, 0.5, 0.5));
  });

  it('ignores gains below the minimum until they add up to it', () => {
    assert(stops(2, 0.05, 0.5, 0.53, 0.54));
    assert(!stops(2, 0.05, 0.5, 0.53, 0.56, 0.57));
    assert(stops(2, 0.05, 0.5, 0.53, 0.56, 0.57, 0.58));
  });
});

describe('the best checkpoint of a training', () => {
  const checkpoint = (step: number, ...figures: Figures[]) => ({
    step,
    evaluations: figures.map((figure, index) => evaluation(`v${index}`, 'validation', figure)),
  });

  it('has the best figure by the metric, the mean of its benchmarks', () => {
    const checkpoints = [
      checkpoint(10, [0.9, 0.1], [0.5, 0.1]),
      checkpoint(20, [0.8, 0.4], [0.7, 0.2]),
      checkpoint(30, [0.7, 0.5], [0.7, 0.3]),
    ];
    assert.equal(bestCheckpoint(checkpoints, plan())?.step, 20);
    assert.equal(bestCheckpoint(checkpoints, plan({ metric: 'positionConsistentAccuracy' }))?.step, 30);
    assert.equal(bestCheckpoint(checkpoints, plan({ benchmark: 'v0' }))?.step, 10);
  });

  it('is the earliest of equal ones, in whatever order they come', () => {
    const equal = [checkpoint(30, [0.8, 0]), checkpoint(20, [0.8, 0]), checkpoint(10, [0.7, 0])];
    assert.equal(bestCheckpoint(equal, plan())?.step, 20);
    assert.equal(bestCheckpoint([], plan()), undefined);
    assert.equal(bestCheckpoint([{ step: 3, evaluations: [] }], plan())?.step, 3);
  });

  it('is chosen by validation benchmarks only', () => {
    const benchmarks = [
      { name: 'one', purpose: 'validation' as const },
      { name: 'two', purpose: 'validation' as const },
      { name: 'test', purpose: 'test' as const },
    ];
    const names = (benchmark?: string) =>
      selectingBenchmarks(benchmarks, { benchmark }).map(({ name }) => name);
    assert.deepEqual(names(), ['one', 'two']);
    assert.deepEqual(names('two'), ['two']);
    assert.deepEqual(names('test'), []);
  });
});
