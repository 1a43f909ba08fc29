/**
 * How well a judge's probabilities agree with how often its verdicts are correct: on each benchmark and subset, as they are, and
 * after one temperature that is fitted on the validation benchmarks of its run.
 */
import { parseVerdict } from '../method/verdict.ts';
import { logOddsOf, type VerdictProbabilities } from '../method/verdict-probability.ts';
import type { ReasoningMarks } from '../method/reasoning.ts';
import type { BenchmarkItem } from './benchmark.ts';
import { type Calibration, calibration, type ConfidentVerdict, fitTemperature } from './calibration.ts';
import { betterSideOf } from './judged-pairs.ts';

/** A verdict with its subset: a line of the file beside the scores. */
export interface SubsetVerdict extends ConfidentVerdict {
  readonly subset: string;
}

/** A judgment of a benchmark, with the probabilities of both letters at its verdict if the server gave them. */
interface JudgmentWithProbabilities {
  readonly item: string;
  readonly slot: string;
  readonly text: string;
  readonly probabilities?: VerdictProbabilities;
}

/**
 * The verdicts that name a response by its letter, with their log-odds.
 * @returns also the number of judgments that name none, or whose letter has no probability
 */
export function confidentVerdicts(
  items: readonly BenchmarkItem[],
  judgments: readonly JudgmentWithProbabilities[],
  marks: readonly ReasoningMarks[] | undefined,
): { readonly verdicts: readonly SubsetVerdict[]; readonly withoutProbability: number } {
  const subsets = new Map(items.map(({ id, subset }) => [id, subset]));
  const verdicts = judgments.flatMap(({ item, slot, text, probabilities }): SubsetVerdict[] => {
    const verdict = parseVerdict(text, marks);
    const better = betterSideOf(slot);
    if (probabilities === undefined || better === undefined || (verdict !== 'A' && verdict !== 'B'))
      return [];
    const logOdds = logOddsOf(probabilities, verdict);
    return [{ subset: subsets.get(item) ?? '', logOdds: Math.max(0, logOdds), correct: verdict === better }];
  });
  return { verdicts, withoutProbability: judgments.length - verdicts.length };
}

/** The figures of some verdicts: as they are, and at the fitted temperature if there is one. */
export interface VerdictCalibration {
  readonly raw: Calibration;
  readonly calibrated?: Calibration;
}

/** The verdicts of a judge on a benchmark. */
export interface BenchmarkVerdicts {
  readonly benchmark: string;
  readonly purpose: 'validation' | 'test';
  readonly verdicts: readonly SubsetVerdict[];
}

export interface BenchmarkCalibration extends VerdictCalibration {
  readonly benchmark: string;
  readonly subsets: readonly (VerdictCalibration & { readonly name: string })[];
}

export interface JudgeCalibration {
  /** The log-odds of all verdicts are divided by it. */
  readonly temperature?: number;
  /** Why there is no temperature. */
  readonly notFitted?: string;
  /** Benchmarks on which no verdict has a probability are left out. */
  readonly benchmarks: readonly BenchmarkCalibration[];
}

/** Fits the temperature on validation, and computes the figures of every benchmark. */
export function judgeCalibration(evaluated: readonly BenchmarkVerdicts[]): JudgeCalibration {
  const validation = evaluated.filter(({ purpose }) => purpose === 'validation');
  const fitted = validation.flatMap(({ verdicts }) => verdicts);
  const temperature = fitTemperature(fitted);
  const of = (verdicts: readonly SubsetVerdict[]): VerdictCalibration | undefined => {
    const raw = calibration(verdicts);
    const calibrated = temperature === undefined ? undefined : calibration(verdicts, temperature);
    return raw && { raw, ...(calibrated === undefined ? {} : { calibrated }) };
  };
  return {
    ...(temperature === undefined
      ? { notFitted: reasonFor(validation.length, fitted.length) }
      : { temperature }),
    benchmarks: evaluated.flatMap(({ benchmark, verdicts }) => {
      const all = of(verdicts);
      if (all === undefined) return [];
      const bySubset = [...Map.groupBy(verdicts, ({ subset }) => subset)].sort(([a], [b]) =>
        a < b ? -1 : 1,
      );
      const subsets = bySubset.flatMap(([name, found]) => {
        const figures = of(found);
        return figures === undefined ? [] : [{ name, ...figures }];
      });
      return [{ benchmark, ...all, subsets: subsets.length > 1 ? subsets : [] }];
    }),
  };
}

function reasonFor(benchmarks: number, verdicts: number): string {
  if (benchmarks === 0) return 'no benchmark with the purpose validation has probabilities';
  if (verdicts === 0) return 'no verdict on the validation benchmarks has a probability';
  return 'all verdicts on the validation benchmarks are correct, or all are incorrect';
}
