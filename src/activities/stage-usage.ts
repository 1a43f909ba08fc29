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
];

const EVALUATION = 'evaluateJudge';

type Priced = Pick<Configuration, 'models' | 'prices'>;

/** The tokens, time and, where the configuration has prices, cost of an iteration's stages, in their order. */
export function stageUsage(
  { iteration, counts, seconds, evaluations }: Omit<IterationSummary, 'model'>,
  configuration: Priced,
): StageUsage[] {
  const benchmarks = new Set(evaluations.map(({ benchmark }) => benchmark));
  const tokens = new Map<string, { prompt: number; completion: number }>();
  for (const [name, { promptTokens = 0, completionTokens = 0 }] of Object.entries(counts)) {
    if (promptTokens + completionTokens === 0) continue;
    if (iteration > 0 && MADE_ONCE.includes(name)) continue;
    const stage = benchmarks.has(name) ? EVALUATION : name;
    const sum = tokens.get(stage) ?? { prompt: 0, completion: 0 };
    tokens.set(stage, { prompt: sum.prompt + promptTokens, completion: sum.completion + completionTokens });
  }
  const stages = [...new Set([...Object.keys(seconds), ...tokens.keys()])];
  return stages.map((stage) => {
    const usage = { stage, tokens: tokens.get(stage), seconds: seconds[stage] };
    return { ...usage, usd: costOf(usage, iteration, configuration) };
  });
}

/** In USD; undefined where there is no price for it. */
function costOf(
  { stage, tokens, seconds }: StageUsage,
  iteration: number,
  { models, prices }: Priced,
): number | undefined {
  if (prices === undefined) return undefined;
  const role = roleIn(stage, iteration);
  const price = prices.tokens[models[role] === undefined ? 'seed' : role];
  if (tokens !== undefined && price !== undefined)
    return (tokens.prompt * price.prompt + tokens.completion * price.completion) / 1e6;
  const needsGpus = tokens !== undefined || stage === 'fineTune';
  if (!needsGpus || seconds === undefined || prices.gpuHour === undefined) return undefined;
  return (seconds / 3600) * prices.gpus * prices.gpuHour;
}

/** Whose model a stage asks. Judges that were trained are priced like the seed model. */
function roleIn(stage: string, iteration: number): ModelRole {
  const [seed, generator, firstJudge] = MODEL_ROLES;
  if (MADE_ONCE.includes(stage)) return generator;
  return stage === 'judgePairs' && iteration === 1 ? firstJudge : seed;
}
