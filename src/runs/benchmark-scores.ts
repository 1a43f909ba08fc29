import type { EvaluationSummary } from '../api/result.ts';
import type { BenchmarkScores } from '../benchmarks/benchmark.ts';
import type { JudgeAgreement } from '../benchmarks/judge-agreement.ts';
import { toReference, type Manifest } from '../store/artifact.ts';

/** A judge's scores on a benchmark, as they are stored in their artifact. */
export interface PublishedScores extends BenchmarkScores {
  /** Rows that the benchmark's own rule leaves out, by reason. */
  readonly excluded: Readonly<Record<string, number>>;
  /** The tokens of the judgments. */
  readonly tokens: { readonly prompt: number; readonly completion: number };
  /** Answered requests to the judge. */
  readonly requests?: number;
  /** The origins of the prompts, by prompt. */
  readonly prompts?: Readonly<Record<string, string>>;
  /** How the answers were sampled, as text. */
  readonly sampling?: string;
  /** How well the probabilities of the verdicts agree with how often they are correct, if they were asked for. */
  readonly calibration?: EvaluationSummary['calibration'];
}

/** The file beside the scores with the outcome of each item, for the comparison of two judges. */
export const OUTCOMES_FILE = 'outcomes.jsonl';

/** The figures of a judge on one benchmark, with a reference to the artifact that contains all scores. */
export function evaluationSummary(
  benchmark: string,
  purpose: EvaluationSummary['purpose'],
  manifest: Manifest,
): EvaluationSummary {
  const scores = manifest.summary as PublishedScores;
  const { accuracy, positionConsistentAccuracy, shareOfA, unparsable, withoutVerdict, pairs } = scores;
  const { official, tokens, requests, agreement, calibration } = scores;
  const {
    figures: [main],
    decimals,
  } = official;
  return {
    benchmark,
    purpose,
    accuracy,
    positionConsistentAccuracy,
    shareOfA,
    unparsable,
    ...(withoutVerdict === undefined ? {} : { withoutVerdict }),
    pairs,
    ...(main === undefined ? {} : { official: { ...main, ...(decimals === undefined ? {} : { decimals }) } }),
    ...agreementSummary(agreement),
    ...(calibration === undefined ? {} : { calibration }),
    tokens,
    ...(requests === undefined ? {} : { requests }),
    scores: toReference(manifest),
  };
}

function agreementSummary(agreement: JudgeAgreement | undefined): Pick<EvaluationSummary, 'agreement'> {
  if (agreement === undefined || agreement.judge === null) return {};
  const { judge, raters } = agreement;
  return {
    agreement: {
      pairs: judge.items,
      raters: raters.length,
      accuracy: judge.agreement,
      accuracyInterval: judge.agreementInterval,
      kappa: judge.kappa,
      kappaInterval: judge.kappaInterval,
    },
  };
}
