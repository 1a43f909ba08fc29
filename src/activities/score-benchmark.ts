import type { ArtifactReference, Manifest } from '../artifacts/reference.ts';
import { recordsBehind } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import type { BenchmarkItem, BenchmarkJudgment, BenchmarkScores } from '../benchmarks/benchmark.ts';
import { benchmarkOf } from '../benchmarks/registry.ts';
import { withHeartbeats } from './attempt.ts';
import { benchmarkNamed } from './benchmark-named.ts';
import type { Dependencies } from './dependencies.ts';
import type { EvaluationJudgment } from './evaluate-benchmark.ts';
import { openEvaluation, runUris } from './open-run.ts';
import type { PreparedBenchmarkSummary } from './prepare-benchmark.ts';
import type { EvaluationSummary, RunReference } from './types.ts';

export interface ScoreInput {
  readonly run: RunReference;
  readonly iteration: number;
  readonly benchmark: string;
  /** The prepared items: pairs, in most benchmarks. */
  readonly pairs: ArtifactReference;
  readonly judgments: ArtifactReference;
}

/** A judge's scores on a benchmark, as their artifact holds them. */
export interface PublishedScores extends BenchmarkScores {
  /** Rows of the file that the benchmark's own rule leaves out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** That the judgments took. */
  readonly tokens: { readonly prompt: number; readonly completion: number };
  /** Requests to the judge that were answered; not there in scores of older workers. */
  readonly requests?: number;
}

/** Beside the scores: how each item came out, for a comparison of two judges. */
export const OUTCOMES_FILE = 'outcomes.jsonl';

/** Scores a judge's verdicts on a benchmark, by the official rule and by ours, and publishes all figures. */
export function scoreBenchmark(deps: Dependencies, input: ScoreInput): Promise<EvaluationSummary> {
  return withHeartbeats(async () => {
    const { configuration } = await openEvaluation(deps.store, input.run);
    const { seed, evaluation } = configuration;
    const { format, purpose } = benchmarkNamed(evaluation, input.benchmark);
    const uri = runUris.scores(input.run.runName, input.iteration, input.benchmark);
    const fingerprint = {
      schema: 2,
      stage: 'score',
      format,
      seed,
      pairs: input.pairs.sha256,
      judgments: input.judgments.sha256,
    };
    const manifest = (await deps.store.completed(uri, fingerprint)) ?? (await publishScores());
    return evaluationSummary(input.benchmark, purpose, manifest);

    async function publishScores() {
      const items = await Array.fromAsync(recordsBehind<BenchmarkItem>(deps.store, input.pairs));
      const judgments = await Array.fromAsync(recordsBehind<EvaluationJudgment>(deps.store, input.judgments));
      const { outcomes, ...scores } = benchmarkOf(format).score(items, byRequest(judgments), { seed });
      const [prepared, judged] = await Promise.all(
        [input.pairs, input.judgments].map((index) => deps.store.manifest(index.uri)),
      );
      const { requests, promptTokens: prompt = 0, completionTokens: completion = 0 } = judged?.counts ?? {};
      const { leftOut = {} } = (prepared?.summary ?? {}) as Partial<PreparedBenchmarkSummary>;
      const summary: PublishedScores = {
        ...scores,
        leftOut,
        tokens: { prompt, completion },
        ...(requests === undefined ? {} : { requests }),
      };
      return deps.store.publish(uri, {
        fingerprint,
        records: [summary],
        summary,
        files: { [OUTCOMES_FILE]: outcomes },
      });
    }
  });
}

/** The figures of a judge on one benchmark, by the artifact with all of them. */
export function evaluationSummary(
  benchmark: string,
  purpose: EvaluationSummary['purpose'],
  manifest: Manifest,
): EvaluationSummary {
  const scores = manifest.summary as PublishedScores;
  const { accuracy, positionConsistentAccuracy, shareOfA, unparsable, pairs, official, tokens, requests } =
    scores;
  return {
    benchmark,
    purpose,
    accuracy,
    positionConsistentAccuracy,
    shareOfA,
    unparsable,
    pairs,
    ...(official.figures[0] === undefined ? {} : { official: official.figures[0] }),
    tokens,
    ...(requests === undefined ? {} : { requests }),
    scores: referenceTo(manifest),
  };
}

/** The votes on each request together. */
function byRequest(judgments: readonly EvaluationJudgment[]): BenchmarkJudgment[] {
  const requests = Map.groupBy(judgments, ({ item, slot }) => `${item}/${slot}`);
  return [...requests.values()].flatMap((votes) => {
    const [first] = votes;
    return first === undefined
      ? []
      : [{ item: first.item, slot: first.slot, texts: votes.map(({ text }) => text) }];
  });
}
