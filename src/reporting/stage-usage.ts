import type { Counts } from '../store/artifact.ts';
import { sumCounts } from '../platform/sum-counts.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { StageUsage } from './report-data.ts';
import type { IterationSummary } from '../api/result.ts';
import { roleOfStage } from '../runs/usage/model-role.ts';
import { isPreparationStage } from '../api/stages.ts';

const EVALUATION = 'evaluateJudge';

type Priced = Pick<Configuration, 'models' | 'prices'>;

/** The requests, tokens, time and cost of an iteration's stages, in their order. There is no cost without prices. */
export function stageUsage(
  { iteration, counts, seconds, evaluations }: Omit<IterationSummary, 'model'>,
  configuration: Priced,
): StageUsage[] {
  const benchmarks = new Set(evaluations.map(({ benchmark }) => benchmark));
  const countsByStage = new Map<string, Counts[]>();
  for (const [name, ofStage] of Object.entries(counts)) {
    const { requests = 0, promptTokens = 0, completionTokens = 0 } = ofStage;
    if (requests + promptTokens + completionTokens === 0) continue;
    if (iteration > 0 && isPreparationStage(name)) continue;
    const stage = benchmarks.has(name) ? EVALUATION : name;
    countsByStage.set(stage, [...(countsByStage.get(stage) ?? []), ofStage]);
  }
  const stages = [...new Set([...Object.keys(seconds), ...countsByStage.keys()])];
  return stages.map((stage) => {
    const usage = { stage, ...usageOf(countsByStage.get(stage)), seconds: seconds[stage] };
    return { ...usage, usd: stageCost(usage, iteration, configuration) };
  });
}

/** The requests and tokens of a stage; undefined if it sends no requests to a model. */
function usageOf(counts: readonly Counts[] | undefined): Pick<StageUsage, 'requests' | 'tokens'> {
  if (counts === undefined) return { requests: undefined, tokens: undefined };
  const { requests, promptTokens = 0, completionTokens = 0 } = sumCounts(counts);
  return { requests, tokens: { prompt: promptTokens, completion: completionTokens } };
}

/** The cost in USD; undefined if the configuration has no price for it. */
export function stageCost(
  { stage, tokens, seconds }: StageUsage,
  iteration: number,
  { models, prices }: Priced,
): number | undefined {
  if (prices === undefined) return undefined;
  const price = prices.tokens[roleOfStage(stage, iteration, models)];
  if (tokens !== undefined && price !== undefined)
    return (tokens.prompt * price.prompt + tokens.completion * price.completion) / 1e6;
  const needsGpus = tokens !== undefined || stage === 'fineTune';
  if (!needsGpus || seconds === undefined || prices.gpuHour === undefined) return undefined;
  return (seconds / 3600) * prices.gpus * prices.gpuHour;
}
