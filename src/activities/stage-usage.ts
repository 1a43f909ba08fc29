import type { Counts } from '../artifacts/reference.ts';
import { sumCounts } from '../artifacts/shards.ts';
import type { Configuration } from '../config/schema.ts';
import type { StageUsage } from '../report/report-data.ts';
import { MODEL_ROLES, type IterationSummary, type ModelRole } from './types.ts';

/** The stages before the first iteration. Their counts stand in the summary of every iteration. */
export const MADE_ONCE: readonly string[] = [
  'preparePool',
  'categorizeInstructions',
  'selectInstructions',
  'generatePairs',
  'addHumanPairs',
  'preparePairs',
];

const EVALUATION = 'evaluateJudge';

type Priced = Pick<Configuration, 'models' | 'prices'>;

/** The requests, tokens, time and, where the configuration has prices, cost of an iteration's stages, in their order. */
export function stageUsage(
  { iteration, counts, seconds, evaluations }: Omit<IterationSummary, 'model'>,
  configuration: Priced,
): StageUsage[] {
  const benchmarks = new Set(evaluations.map(({ benchmark }) => benchmark));
  const asked = new Map<string, Counts[]>();
  for (const [name, ofStage] of Object.entries(counts)) {
    const { requests = 0, promptTokens = 0, completionTokens = 0 } = ofStage;
    if (requests + promptTokens + completionTokens === 0) continue;
    if (iteration > 0 && MADE_ONCE.includes(name)) continue;
    const stage = benchmarks.has(name) ? EVALUATION : name;
    asked.set(stage, [...(asked.get(stage) ?? []), ofStage]);
  }
  const stages = [...new Set([...Object.keys(seconds), ...asked.keys()])];
  return stages.map((stage) => {
    const usage = { stage, ...usageOf(asked.get(stage)), seconds: seconds[stage] };
    return { ...usage, usd: costOf(usage, iteration, configuration) };
  });
}

/** Of a stage that asks a model. Artifacts of older workers have no count of requests. */
function usageOf(asked: readonly Counts[] | undefined): Pick<StageUsage, 'requests' | 'tokens'> {
  if (asked === undefined) return { requests: undefined, tokens: undefined };
  const { requests, promptTokens = 0, completionTokens = 0 } = sumCounts(asked);
  return { requests, tokens: { prompt: promptTokens, completion: completionTokens } };
}

/** In USD; undefined where there is no price for it. */
export function costOf(
  { stage, tokens, seconds }: StageUsage,
  iteration: number,
  { models, prices }: Priced,
): number | undefined {
  if (prices === undefined) return undefined;
  const price = prices.tokens[askedRole(stage, iteration, models)];
  if (tokens !== undefined && price !== undefined)
    return (tokens.prompt * price.prompt + tokens.completion * price.completion) / 1e6;
  const needsGpus = tokens !== undefined || stage === 'fineTune';
  if (!needsGpus || seconds === undefined || prices.gpuHour === undefined) return undefined;
  return (seconds / 3600) * prices.gpus * prices.gpuHour;
}

/** Whose model a stage asks. Judges that were trained are priced like the seed model. */
export function askedRole(stage: string, iteration: number, models: Configuration['models']): ModelRole {
  const [seed, generator, firstJudge] = MODEL_ROLES;
  const role = MADE_ONCE.includes(stage)
    ? generator
    : stage === 'judgePairs' && iteration === 1
      ? firstJudge
      : seed;
  return models[role] === undefined ? seed : role;
}
