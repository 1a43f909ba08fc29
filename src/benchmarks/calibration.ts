/**
 * Measures how well the probabilities that a judge gives its verdicts agree with how often they are correct: Brier score (1950),
 * expected calibration error and reliability diagram (Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599), and
 * risk-coverage curve (El-Yaniv and Wiener 2010). A single temperature, fitted on other pairs, repairs much (Guo et al.).
 */

/** A verdict: the log-odds of the response that it names against the other one, at least 0, and whether it is correct. */
export interface ConfidentVerdict {
  readonly logOdds: number;
  readonly correct: boolean;
}

/** The verdicts whose confidence is in a range. */
export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly verdicts: number;
  /** The mean confidence; null without verdicts. */
  readonly confidence: number | null;
  /** The share of correct ones; null without verdicts. */
  readonly accuracy: number | null;
}

export interface Calibration {
  readonly verdicts: number;
  /** The mean of (confidence - correct)^2, from 0 to 1. */
  readonly brier: number;
  /** The mean distance of confidence and accuracy, over bins. */
  readonly expectedCalibrationError: number;
  readonly bins: readonly ReliabilityBin[];
  /** For each coverage, the share of the most confident verdicts, how many of them are wrong. */
  readonly riskCoverage: readonly {
    readonly coverage: number;
    readonly risk: number;
    readonly confidence: number;
  }[];
}

/** A verdict between two responses has a confidence of 0.5 at least. */
const LEAST_CONFIDENCE = 0.5;
const BINS = 10;
const COVERAGES = Array.from({ length: 20 }, (_, index) => (index + 1) / 20);

/** The probability of the response that a verdict names, at a temperature. */
export function confidenceOf({ logOdds }: Pick<ConfidentVerdict, 'logOdds'>, temperature = 1): number {
  return 1 / (1 + Math.exp(-logOdds / temperature));
}

/** @returns undefined without verdicts */
export function calibration(verdicts: readonly ConfidentVerdict[], temperature = 1): Calibration | undefined {
  if (verdicts.length === 0) return undefined;
  const rated = verdicts
    .map((verdict) => ({ confidence: confidenceOf(verdict, temperature), correct: Number(verdict.correct) }))
    .sort((one, other) => other.confidence - one.confidence);
  const sum = (of: (verdict: (typeof rated)[number]) => number) =>
    rated.reduce((total, verdict) => total + of(verdict), 0);
  const bins = Map.groupBy(rated, ({ confidence }) =>
    Math.min(BINS - 1, Math.floor(((confidence - LEAST_CONFIDENCE) / (1 - LEAST_CONFIDENCE)) * BINS)),
  );
  const edge = (bin: number) => LEAST_CONFIDENCE + ((1 - LEAST_CONFIDENCE) * bin) / BINS;
  const described = Array.from({ length: BINS }, (_, index): ReliabilityBin => {
    const found = bins.get(index) ?? [];
    const mean = (of: 'confidence' | 'correct') =>
      found.length === 0 ? null : found.reduce((total, verdict) => total + verdict[of], 0) / found.length;
    return {
      ...{ from: edge(index), to: edge(index + 1), verdicts: found.length },
      ...{ confidence: mean('confidence'), accuracy: mean('correct') },
    };
  });
  return {
    verdicts: rated.length,
    brier: sum(({ confidence, correct }) => (confidence - correct) ** 2) / rated.length,
    expectedCalibrationError:
      described.reduce(
        (total, bin) => total + bin.verdicts * Math.abs((bin.confidence ?? 0) - (bin.accuracy ?? 0)),
        0,
      ) / rated.length,
    bins: described,
    riskCoverage: riskCoverage(rated),
  };
}

/** Equal confidences belong together: whichever of them came first would decide. Within them the risk is their mean. */
function riskCoverage(
  rated: readonly { readonly confidence: number; readonly correct: number }[],
): Calibration['riskCoverage'] {
  const wrong = new Map<number, { count: number; wrong: number }>();
  for (const { confidence, correct } of rated) {
    const group = wrong.get(confidence) ?? { count: 0, wrong: 0 };
    wrong.set(confidence, { count: group.count + 1, wrong: group.wrong + 1 - correct });
  }
  return COVERAGES.flatMap((coverage) => {
    const wanted = Math.round(coverage * rated.length);
    if (wanted === 0) return [];
    let left = wanted;
    let errors = 0;
    let least = 1;
    for (const [confidence, group] of wrong) {
      const taken = Math.min(left, group.count);
      if (taken === 0) break;
      errors += (group.wrong * taken) / group.count;
      left -= taken;
      least = confidence;
    }
    return [{ coverage, risk: errors / wanted, confidence: least }];
  });
}

/**
 * The temperature with which the verdicts are most likely (the smallest mean negative log-likelihood), found by golden-section
 * search over its logarithm, in which the function has one minimum.
 * @returns undefined if there is none: without verdicts, or if all are right, or all wrong
 */
export function fitTemperature(verdicts: readonly ConfidentVerdict[]): number | undefined {
  const correct = verdicts.filter((verdict) => verdict.correct).length;
  if (correct === 0 || correct === verdicts.length) return undefined;
  const loss = (logarithm: number) =>
    verdicts.reduce((sum, verdict) => {
      const odds = verdict.logOdds / Math.exp(logarithm);
      return sum + Math.log1p(Math.exp(-Math.abs(odds))) + Math.max(0, verdict.correct ? -odds : odds);
    }, 0);
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [Math.log(0.01), Math.log(100)];
  for (let step = 0; step < 100; step += 1) {
    const [left, right] = [high - ratio * (high - low), low + ratio * (high - low)];
    if (loss(left) < loss(right)) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}
