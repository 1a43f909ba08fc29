import type { IterationSummary, RunProgress, StageProgress } from '../../../src/client.ts';

/** One minute after the run has begun. */
export const NOW = Date.parse('2026-01-01T00:01:00Z');

/** A run in its first iteration, which judges. */
export function sampleProgress(changes: Partial<RunProgress> = {}): RunProgress {
  return {
    runName: 'embedded',
    phase: 'working',
    startedAt: '2026-01-01T00:00:00Z',
    iterations: 3,
    stages: [judging()],
    counts: { preparePool: { instructions: 2400 }, generatePairs: { pairs: 381, completionTokens: 9000 } },
    completed: [judge(0, 0.697)],
    best: 0,
    warnings: [],
    secondsLeft: 200,
    ...changes,
  };
}

export function judging(changes: Partial<StageProgress> = {}): StageProgress {
  return {
    name: 'judgePairs',
    iteration: 1,
    done: 12,
    of: 40,
    unit: 'shards',
    startedAt: '2026-01-01T00:00:50Z',
    counts: { judgments: 1160, right: 534, promptTokens: 700_000, completionTokens: 91_000 },
    secondsLeft: 23.3,
    ...changes,
  };
}

export function judge(iteration: number, accuracy: number): IterationSummary {
  return {
    iteration,
    model: { checkpoint: `m${iteration}`, sha256: '0' },
    evaluations: [
      {
        benchmark: 'test',
        purpose: 'test',
        accuracy,
        positionConsistentAccuracy: 0.4,
        shareOfA: 0.5,
        unparsable: 0,
        pairs: 240,
        scores: { uri: 'scores', sha256: '0', records: 1, bytes: 1 },
      },
    ],
    counts:
      iteration === 0
        ? { preparePool: { instructions: 2400 }, generatePairs: { pairs: 381 } }
        : { judgePairs: { judgments: 1160, right: 534 }, fineTune: { steps: 72 } },
    seconds:
      iteration === 0
        ? { preparePool: 0.4, generatePairs: 4.8, evaluateJudge: 5 }
        : { judgePairs: 6.1, filterJudgments: 0.2, fineTune: 17, evaluateJudge: 6.4 },
    ...(iteration === 0 ? {} : { trainingExamples: 752, training: { meanLoss: 0.0931, seconds: 16 } }),
  };
}
