import type { ArtifactReference } from '../artifacts/reference.ts';
import { recordsBehind } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import type { BenchmarkPair, BenchmarkScores } from '../benchmarks/benchmark.ts';
import { benchmarks } from '../benchmarks/registry.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import type { EvaluationJudgment } from './evaluate-benchmark.ts';
import { openRun, runUris } from './open-run.ts';
import { benchmarkNamed } from './prepare-benchmark.ts';
import type { EvaluationSummary, RunReference } from './types.ts';

export interface ScoreInput {
  readonly run: RunReference;
  readonly iteration: number;
  readonly benchmark: string;
  readonly pairs: ArtifactReference;
  readonly judgments: ArtifactReference;
}

/** Scores a judge's verdicts on a benchmark, by the official rule and by ours, and publishes all figures. */
export function scoreBenchmark(deps: Dependencies, input: ScoreInput): Promise<EvaluationSummary> {
  return withHeartbeats(async () => {
    const resolved = await openRun(deps.store, input.run);
    const { seed } = resolved.configuration;
    const { format, purpose } = benchmarkNamed(resolved, input.benchmark);
    const uri = runUris.scores(input.run.runName, input.iteration, input.benchmark);
    const fingerprint = {
      schema: 1,
      stage: 'score',
      format,
      seed,
      pairs: input.pairs.sha256,
      judgments: input.judgments.sha256,
    };
    const manifest = (await deps.store.completed(uri, fingerprint)) ?? (await publishScores());
    const scores = manifest.summary as BenchmarkScores;
    const { accuracy, positionConsistentAccuracy, shareOfA, unparsable, pairs } = scores;
    return {
      benchmark: input.benchmark,
      purpose,
      accuracy,
      positionConsistentAccuracy,
      shareOfA,
      unparsable,
      pairs,
      scores: referenceTo(manifest),
    };

    async function publishScores() {
      const benchmarkPairs = await Array.fromAsync(recordsBehind<BenchmarkPair>(deps.store, input.pairs));
      const judgments = await Array.fromAsync(recordsBehind<EvaluationJudgment>(deps.store, input.judgments));
      const summary = benchmarks[format].score(
        benchmarkPairs,
        judgments.map(({ pairId, order, text }) => ({ pairId, order, texts: [text] })),
        { seed },
      );
      return deps.store.publish(uri, { fingerprint, records: [summary], summary });
    }
  });
}
