import type { EndedStage, IterationSummary, RunProgress, StageProgress } from '../../../src/client/index.ts';

/** One minute after the start of the run. */
export const NOW = Date.parse('2026-01-01T00:01:00Z');

/** The progress of a run in the stage judgePairs of its first iteration. */
export function sampleProgress(changes: Partial<RunProgress> = {}): RunProgress {
  return {
    runName: 'embedded',
    status: 'running',
    startedAt: '2026-01-01T00:00:00Z',
    requestedIterations: 3,
    stages: [judgingStage()],
    counts: { preparePool: { instructions: 2400 }, generatePairs: { pairs: 381, completionTokens: 9000 } },
    completedIterations: [judgedIteration(0, 0.697)],
    best: 0,
    warnings: [],
    remainingSeconds: 200,
    ...changes,
  };
}

export function judgingStage(changes: Partial<StageProgress> = {}): StageProgress {
  return {
    name: 'judgePairs',
    iteration: 1,
    done: 12,
    total: 40,
    unit: 'shards',
    startedAt: '2026-01-01T00:00:50Z',
    counts: { judgments: 1160, correctJudgments: 534, promptTokens: 700_000, completionTokens: 91_000 },
    remainingSeconds: 23.3,
    ...changes,
  };
}

/** A stage that has ended. */
export function ended(
  name: string,
  iteration: number,
  seconds: number,
  counts: Readonly<Record<string, number>>,
): EndedStage {
  return { name, iteration, startedAt: '2026-01-01T00:00:10Z', seconds, counts };
}

export function judgedIteration(iteration: number, accuracy: number): IterationSummary {
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
        : { judgePairs: { judgments: 1160, correctJudgments: 534 }, fineTune: { steps: 72 } },
    seconds:
      iteration === 0
        ? { preparePool: 0.4, generatePairs: 4.8, evaluateJudge: 5 }
        : { judgePairs: 6.1, filterJudgments: 0.2, fineTune: 17, evaluateJudge: 6.4 },
    ...(iteration === 0 ? {} : { trainingExamples: 752, training: { meanLoss: 0.0931, seconds: 16 } }),
  };
}
