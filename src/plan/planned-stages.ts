import { costOf } from '../activities/stage-usage.ts';
import type { Configuration } from '../config/schema.ts';
import type { ExpectedStage } from './expected-usage.ts';
import type { PlannedStage, PlannedUsage } from './plan-schema.ts';
import { rateOf, type Rates } from './rates.ts';
import { stageKey } from './store-state.ts';

/** The expected stages with their time and cost, and what is still to do of each. */
export function plannedStages(
  configuration: Configuration,
  expected: readonly ExpectedStage[],
  rates: Rates,
  reusedShares: ReadonlyMap<string, number>,
): PlannedStage[] {
  return expected.map((stage) => {
    const { iteration, benchmark, training } = stage;
    const reused = reusedShares.get(stageKey(stage.stage, iteration, benchmark)) ?? 0;
    const whole = usageOf(configuration, stage, rates);
    return {
      stage: stage.stage,
      iteration,
      ...(benchmark === undefined ? {} : { benchmark }),
      reused,
      whole,
      remaining: scaled(whole, 1 - reused),
      ...(training === undefined
        ? {}
        : { training: { method: training.method, examples: training.examples, steps: training.steps } }),
    };
  });
}

function usageOf(
  configuration: Configuration,
  { stage, iteration, usage, training }: ExpectedStage,
  rates: Rates,
): PlannedUsage {
  const rate = rateOf(rates, stage);
  const trainingTokens = Math.round(training?.tokens ?? 0);
  const tokens = usage.promptTokens + usage.completionTokens + trainingTokens;
  const seconds = rate === undefined ? undefined : tokens / rate.tokensPerSecond;
  const asked = { prompt: usage.promptTokens, completion: usage.completionTokens };
  const priced = { stage, tokens: stage === 'fineTune' ? undefined : asked, seconds };
  const usd = costOf({ ...priced, usd: undefined }, iteration, configuration);
  return {
    requests: Math.round(usage.requests),
    answers: Math.round(usage.answers),
    promptTokens: Math.round(usage.promptTokens),
    completionTokens: Math.round(usage.completionTokens),
    trainingTokens,
    ...(seconds === undefined ? {} : { seconds }),
    ...(usd === undefined ? {} : { usd }),
  };
}

function scaled(usage: PlannedUsage, share: number): PlannedUsage {
  const { seconds, usd } = usage;
  return {
    requests: Math.round(usage.requests * share),
    answers: Math.round(usage.answers * share),
    promptTokens: Math.round(usage.promptTokens * share),
    completionTokens: Math.round(usage.completionTokens * share),
    trainingTokens: Math.round(usage.trainingTokens * share),
    ...(seconds === undefined ? {} : { seconds: seconds * share }),
    ...(usd === undefined ? {} : { usd: usd * share }),
  };
}

/** The sum of all; its time or cost only where all that do something have one. */
export function summed(usages: readonly PlannedUsage[]): PlannedUsage {
  const sum = (of: (usage: PlannedUsage) => number) => usages.reduce((total, usage) => total + of(usage), 0);
  const working = usages.filter(({ requests, trainingTokens }) => requests + trainingTokens > 0);
  const all = (field: 'seconds' | 'usd') =>
    usages.some((usage) => usage[field] !== undefined) && working.every((usage) => usage[field] !== undefined)
      ? { [field]: sum((usage) => usage[field] ?? 0) }
      : {};
  return {
    requests: sum(({ requests }) => requests),
    answers: sum(({ answers }) => answers),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
    trainingTokens: sum(({ trainingTokens }) => trainingTokens),
    ...all('seconds'),
    ...all('usd'),
  };
}
