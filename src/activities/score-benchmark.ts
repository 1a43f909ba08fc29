import type { StageName } from '../api/stages.ts';
import type { ArtifactReference } from '../store/artifact.ts';
import { readShardedRecords } from '../store/shards.ts';
import type { BenchmarkItem, BenchmarkJudgment } from '../benchmarks/benchmark.ts';
import { calibration } from '../benchmarks/calibration.ts';
import { confidentVerdicts } from '../benchmarks/judge-calibration.ts';
import { loadBenchmark } from '../benchmarks/registry.ts';
import { withHeartbeats } from './heartbeats.ts';
import { describeSampling } from '../config/benchmark-sampling.ts';
import { findBenchmark } from '../config/find-benchmark.ts';
import { marksFingerprintInputs, reasoningMarksOf } from '../config/reasoning.ts';
import type { Dependencies } from './dependencies.ts';
import { benchmarkPromptSources } from '../runs/benchmark-prompts.ts';
import { openEvaluation } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import { CONFIDENT_VERDICTS_FILE } from '../runs/stored-calibration.ts';
import type { PreparedBenchmarkSummary } from './prepare-benchmark.ts';
import type { RunReference } from '../api/activity-types.ts';
import type { EvaluationSummary } from '../api/result.ts';
import type { EvaluationJudgment } from '../runs/records.ts';
import { OUTCOMES_FILE, type PublishedScores, evaluationSummary } from '../runs/benchmark-scores.ts';

export interface ScoreBenchmarkInput {
  readonly run: RunReference;
  readonly iteration: number;
  readonly benchmark: string;
  /** Set if the judge is a checkpoint among which validation chooses. */
  readonly step?: number;
  /** The prepared items: pairs, in most benchmarks. */
  readonly pairs: ArtifactReference;
  readonly judgments: ArtifactReference;
}

/** Scores a judge's verdicts on a benchmark by the official rule and by our strict rule, and publishes all figures. */
export function scoreBenchmark(deps: Dependencies, input: ScoreBenchmarkInput): Promise<EvaluationSummary> {
  return withHeartbeats(async () => {
    const { configuration, prompts } = await openEvaluation(deps.store, input.run);
    const { seed, evaluation } = configuration;
    const configured = findBenchmark(evaluation, input.benchmark);
    const { format, purpose } = configured;
    const sources = benchmarkPromptSources(prompts.evaluation, input.benchmark);
    const uri = runUris.scores(input.run.runName, input.iteration, input.benchmark, input.step);
    const fingerprint = {
      schema: 3,
      stage: 'scoreBenchmark' satisfies StageName,
      format,
      seed,
      pairs: input.pairs.sha256,
      judgments: input.judgments.sha256,
      ...marksFingerprintInputs(configuration),
      ...(evaluation.judgeFamily === undefined ? {} : { judgeFamily: evaluation.judgeFamily }),
    };
    const manifest = (await deps.store.findIntact(uri, fingerprint)) ?? (await publishScores());
    return evaluationSummary(input.benchmark, purpose, manifest);

    async function publishScores() {
      const items = await Array.fromAsync(readShardedRecords<BenchmarkItem>(deps.store, input.pairs));
      const judgments = await Array.fromAsync(
        readShardedRecords<EvaluationJudgment>(deps.store, input.judgments),
      );
      const benchmark = await loadBenchmark(format);
      const { outcomes, ...scores } = benchmark.score(items, byRequest(judgments), {
        seed,
        reasoningMarks: reasoningMarksOf(configuration),
        judgeFamily: evaluation.judgeFamily,
      });
      const probabilities =
        configured.probabilities === true
          ? confidentVerdicts(items, judgments, reasoningMarksOf(configuration))
          : undefined;
      const [prepared, judged] = await Promise.all(
        [input.pairs, input.judgments].map((index) => deps.store.readManifest(index.uri)),
      );
      const { requests, promptTokens: prompt = 0, completionTokens: completion = 0 } = judged?.counts ?? {};
      const { excluded: leftOut = {} } = (prepared?.summary ?? {}) as Partial<PreparedBenchmarkSummary>;
      const summary: PublishedScores = {
        ...scores,
        excluded: leftOut,
        tokens: { prompt, completion },
        prompts: sources,
        sampling: describeSampling(evaluation, configured),
        ...(probabilities === undefined ? {} : { calibration: rawCalibration(probabilities) }),
        ...(requests === undefined ? {} : { requests }),
      };
      return deps.store.publish(uri, {
        fingerprint,
        records: [summary],
        summary,
        files: {
          [OUTCOMES_FILE]: outcomes,
          ...(probabilities === undefined ? {} : { [CONFIDENT_VERDICTS_FILE]: probabilities.verdicts }),
        },
      });
    }
  });
}

/** The figures of the probabilities as the model gives them. */
function rawCalibration({
  verdicts,
  withoutProbability,
}: ReturnType<typeof confidentVerdicts>): NonNullable<PublishedScores['calibration']> {
  const raw = calibration(verdicts);
  return {
    ...{ verdicts: verdicts.length, withoutProbability },
    brierScore: raw?.brier ?? null,
    expectedCalibrationError: raw?.expectedCalibrationError ?? null,
  };
}

/** Groups the votes by request. */
function byRequest(judgments: readonly EvaluationJudgment[]): BenchmarkJudgment[] {
  const requests = Map.groupBy(judgments, ({ item, slot }) => `${item}/${slot}`);
  return [...requests.values()].flatMap((votes) => {
    const [first] = votes;
    return first === undefined ? [] : [{ item: first.item, slot: first.slot, texts: votes }];
  });
}
