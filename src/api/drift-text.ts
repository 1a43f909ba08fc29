/** The comparison of a judge with earlier figures as text. Workflows use it, so it needs no schema. */
import { formatPercent, formatSignedPoints } from '../platform/format-percent.ts';
import { formatProbability } from '../platform/format-probability.ts';
import type { Drift, DriftStatus } from './drift.ts';

/** Returns whether a status is an alarm. */
export function isAlarm(status: DriftStatus): status is 'worse' | 'better' {
  return status === 'worse' || status === 'better';
}

/** Describes the comparison on each benchmark in a sentence. */
export function driftSentences({ benchmarks, comparedWith }: Drift): string[] {
  const earlier = comparedWith?.runName ?? 'earlier figures';
  return benchmarks.map((each) => {
    const { benchmark, positionConsistentAccuracy: figure, pValue } = each;
    if (figure === undefined || pValue === undefined)
      return `${benchmark} is not compared with ${earlier}: ${each.reason ?? 'no figures'}.`;
    const verdict = isAlarm(each.status)
      ? `On ${benchmark} the judge is ${each.status} than in ${earlier}`
      : `On ${benchmark} the judge does not differ significantly from ${earlier}`;
    const { low, high } = figure.interval;
    return (
      `${verdict}: correct in both orders ${formatPercent(figure.now)}, before ${formatPercent(figure.before)} (${formatSignedPoints(figure.difference)} points, ` +
      `95% interval ${formatSignedPoints(low)} to ${formatSignedPoints(high)}, p ${formatProbability(pValue)}).`
    );
  });
}

/** Describes what readers of the figures must know: alarms, and benchmarks that can't be compared with earlier figures. */
export function driftWarnings(drift: Drift): string[] {
  const sentences = driftSentences(drift);
  return drift.benchmarks.flatMap(({ status: found }, index) => {
    const isWarning = isAlarm(found) || (found === 'not-compared' && drift.comparedWith !== undefined);
    return isWarning ? [sentences[index] ?? ''] : [];
  });
}
