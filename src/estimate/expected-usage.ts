/** The usage of each stage of a run. Pure. */
import type { EstimatedStage, EstimatedUsage, RunEstimate } from '../api/estimate.ts';
import { benchmarkSamplings, judgeSampling } from '../config/benchmark-sampling.ts';
import { judgmentsOfIteration } from '../config/fine-tuning.ts';
import { findBenchmark } from '../config/find-benchmark.ts';
import { findGeneration, type Generation } from '../config/pair-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { plansOf } from '../method/plans.ts';
import { selectingBenchmarks } from '../method/model-selection.ts';
import { expectedJudgments } from '../method/expected-judgments.ts';
import { stageCost } from '../reporting/stage-usage.ts';
import type { AssumptionsInUse } from './assumptions.ts';
import type { EstimateInputs } from './estimate-inputs.ts';
import { expectedTraining, type ExpectedTraining } from './expected-training.ts';
import type { PromptKind, PromptKinds, PromptName, PromptSizes } from './prompts.ts';
import type { Rates } from './rates.ts';
import { stageKey } from './reusable-work.ts';

/** A stage of one iteration, or one benchmark of an evaluation. */
export type ExpectedStage = Pick<EstimatedStage, 'stage' | 'iteration' | 'benchmark'> & {
  readonly usage: EstimatedUsage;
  readonly training?: ExpectedTraining;
};

/** The sizes of what the stages work on. Without instructions and selected ones, files provide the pairs. */
export type ExpectedCounts = Omit<NonNullable<RunEstimate['counts']>, 'rows'>;

/** Everything that decides the usage. */
export interface RunFacts {
  readonly configuration: Configuration;
  readonly inputs: EstimateInputs;
  readonly kinds: PromptKinds;
  readonly sizes: PromptSizes;
  readonly assumptions: AssumptionsInUse;
  readonly counts: ExpectedCounts;
  /** Processes that train in parallel. */
  readonly devices: number;
}

export const NO_USAGE: EstimatedUsage = {
  requests: 0,
  answers: 0,
  promptTokens: 0,
  completionTokens: 0,
  trainingTokens: 0,
};
const COUNTS = Object.keys(NO_USAGE) as (keyof typeof NO_USAGE)[];

const ORDERS_OF_A_PAIR = 2;
const COMPLEXITIES = 5;

/** All stages in the order of the run, before any of it is done. */
export function expectedStages(facts: RunFacts): ExpectedStage[] {
  const { iterations } = facts.configuration;
  return [
    ...preparationStages(facts),
    ...evaluations(facts, 0),
    ...Array.from({ length: iterations }, (_, index) => index + 1).flatMap((iteration): ExpectedStage[] => {
      const training = trainingOf(facts, iteration);
      const usage = { ...NO_USAGE, trainingTokens: training.tokens };
      return [
        ...judgingStages(facts, iteration),
        { stage: 'fineTune', iteration, usage, training },
        ...checkpointEvaluations(facts, iteration, training),
        ...evaluations(facts, iteration),
      ];
    }),
  ];
}

/** Adds time and cost to the expected stages, and the work that remains of each. */
export function estimateStages(
  configuration: Configuration,
  expected: readonly ExpectedStage[],
  rates: Rates,
  reusedShares: ReadonlyMap<string, number>,
): EstimatedStage[] {
  return expected.map(({ usage, training, ...stage }) => {
    const reused = reusedShares.get(stageKey(stage.stage, stage.iteration, stage.benchmark)) ?? 0;
    const { promptTokens: prompt, completionTokens: completion, trainingTokens } = usage;
    const rate = rates[rateNameOf(stage.stage)]?.tokensPerSecond;
    const seconds = rate === undefined ? undefined : (prompt + completion + trainingTokens) / rate;
    const tokens = stage.stage === 'fineTune' ? undefined : { prompt, completion };
    const priced = { stage: stage.stage, tokens, seconds, usd: undefined };
    const usd = stageCost(priced, stage.iteration, configuration);
    const whole = {
      ...usage,
      ...(seconds === undefined ? {} : { seconds }),
      ...(usd === undefined ? {} : { usd }),
    };
    const { method, examples = 0, steps = 0, checkpoints, sampledJudgments } = training ?? {};
    const optional = {
      ...(checkpoints === undefined ? {} : { checkpoints }),
      ...(sampledJudgments === undefined ? {} : { sampledJudgments }),
    };
    return {
      ...stage,
      reused,
      whole: shareOfUsage(whole, 1),
      remaining: shareOfUsage(whole, 1 - reused),
      ...(method === undefined ? {} : { training: { method, examples, steps, ...optional } }),
    };
  });
}

/** The number of instructions that are selected by category and complexity. By default all values are equally frequent. */
export function selectedOf(
  { categories, complexity, maxInstructions }: Generation['instructions'],
  assumptions: AssumptionsInUse,
  instructions: number,
): number {
  const ofComplexity = complexity === null ? 1 : (complexity.max - complexity.min + 1) / COMPLEXITIES;
  const isFiltered = (categories ?? complexity) !== null;
  const share = isFiltered ? assumptions.valueOr('keptShare', categoryShare(categories) * ofComplexity) : 1;
  return Math.min(Math.round(instructions * share), maxInstructions ?? Infinity);
}

function categoryShare(categories: Generation['instructions']['categories']): number {
  return categories === null ? 1 : categories.keep.length / categories.names.length;
}

function preparationStages(facts: RunFacts): ExpectedStage[] {
  const { kinds, counts } = facts;
  const generation = findGeneration(facts.configuration);
  if (generation === undefined) return [{ stage: 'preparePairs', iteration: 0, usage: NO_USAGE }];
  const { instructions = 0, selected = 0 } = counts;
  const generatePairs = {
    stage: 'generatePairs',
    iteration: 0,
    usage: generationUsage(facts, generation, selected),
  } as const;
  if ((kinds.category ?? kinds.complexity) === undefined) return [generatePairs];
  const ofKeptCategories = instructions * categoryShare(generation.instructions.categories);
  const usage = sumUsage([
    usageOf(facts, 'category', instructions),
    usageOf(facts, 'complexity', ofKeptCategories),
  ]);
  return [{ stage: 'categorizeInstructions', iteration: 0, usage }, generatePairs];
}

function generationUsage(
  facts: RunFacts,
  { pairs: { construction, calls, responseSampling, similarSampling } }: Generation,
  selected: number,
): EstimatedUsage {
  const { sizes, assumptions } = facts;
  const { similar = 0, worse = 0 } = sizes.prompts;
  const response = assumptions.answerTokens('responseTokens', responseSampling);
  const better = usageOf(facts, 'respond', selected);
  if (construction === 'worse-response')
    return sumUsage([better, requestUsage(selected, worse + response, response)]);
  if (calls === 'two') return sumUsage([better, usageOf(facts, 'similar', selected), better]);
  // With one call the prompt includes the response, and the answer the similar instruction with its own response.
  const instruction = assumptions.answerTokens('similarTokens', similarSampling);
  const both = Math.min(instruction + response, similarSampling.maxTokens);
  return sumUsage([better, requestUsage(selected, similar + response, both)]);
}

/** None if the iteration trains on judgments that are there. */
function judgingStages(facts: RunFacts, iteration: number): ExpectedStage[] {
  const { configuration, kinds, counts } = facts;
  if (judgmentsOfIteration(configuration.fineTuning, iteration) < iteration) return [];
  const judging = { stage: 'judgePairs', iteration, usage: judgingUsage(facts, iteration) } as const;
  const { plan } = configuration.judging;
  const name = iteration === 1 ? 'firstPlan' : 'plan';
  const kind = kinds[name];
  if (plan === undefined || kind === undefined) return [judging];
  // Almost every pair has an instruction of its own.
  const instructions = (generatedPairs(facts) + counts.humanPairs) / configuration.pairs.parts;
  const prompt = facts.sizes.prompts[name] ?? 0;
  const tokens = answerTokens(facts.assumptions, kind);
  const usage = requestUsage(instructions, prompt, tokens, instructions * plan.samples);
  return [{ stage: 'planJudgments', iteration, usage }, judging];
}

/** The tokens of a plan, which stand before a judgment that follows it, and before the judgment that is learned. */
function planTokens({ kinds, assumptions }: RunFacts): number {
  return kinds.plan === undefined ? 0 : answerTokens(assumptions, kinds.plan);
}

function judgingUsage(facts: RunFacts, iteration: number): EstimatedUsage {
  const { configuration, kinds, sizes, assumptions, counts } = facts;
  const { judging, filtering } = configuration;
  const examples =
    (ORDERS_OF_A_PAIR * (generatedPairs(facts) + counts.humanPairs)) / configuration.pairs.parts;
  const { requests, judgments } = expectedJudgments(
    { ...judging, judgmentsPerExample: filtering.judgmentsPerExample },
    correctShare(assumptions, iteration),
  );
  const name = iteration === 1 ? 'firstJudge' : 'judge';
  const promptTokens = (sizes.prompts[name] ?? 0) + responseTokens(facts) + planTokens(facts);
  const askedFor = examples * plansOf(judging);
  const ofAnswer = answerTokens(assumptions, kinds[name]);
  const usageOfExamples = (count: number, prompt: number) =>
    requestUsage(count * requests, prompt, ofAnswer, count * judgments);
  return sumUsage([
    usageOfExamples(askedFor, promptTokens),
    ...taskExamples(facts).map(({ examples: count, prompt }) => usageOfExamples(count, prompt)),
  ]);
}

/** The examples of tasks beyond pairs that an iteration judges, and the mean tokens of their prompts. */
function taskExamples({ configuration, inputs, sizes }: RunFacts) {
  return inputs.tasks.map(({ task, examples }) => ({
    examples: examples / configuration.pairs.parts,
    prompt: sizes.tasks[task] ?? 0,
  }));
}

/** Pairs are not judged if no training set uses them. */
function generatedPairs({ configuration, counts }: RunFacts): number {
  return configuration.filtering.generatedWeight > 0 ? counts.pairs : 0;
}

function trainingOf(facts: RunFacts, iteration: number): ExpectedTraining {
  const { configuration, sizes, assumptions, counts, devices } = facts;
  return expectedTraining(configuration, iteration, {
    generated: (ORDERS_OF_A_PAIR * generatedPairs(facts)) / configuration.pairs.parts,
    human: (ORDERS_OF_A_PAIR * counts.humanPairs) / configuration.pairs.parts,
    correctShare: correctShare(assumptions, judgmentsOfIteration(configuration.fineTuning, iteration)),
    prompt: (sizes.prompts.training ?? 0) + responseTokens(facts),
    judgment: (maxTokens) => planTokens(facts) + assumptions.answerTokens('judgmentTokens', { maxTokens }),
    tasks: taskExamples(facts),
    devices,
  });
}

/** The tokens of both responses of a pair if the measured prompts don't include them. */
function responseTokens({ kinds, sizes, assumptions }: RunFacts): number {
  if (sizes.includeResponses) return 0;
  const { respond } = kinds;
  return (
    2 * (respond === undefined ? assumptions.value('responseTokens') : answerTokens(assumptions, respond))
  );
}

function evaluations(
  { configuration: { evaluation }, inputs, sizes, assumptions }: RunFacts,
  iteration: number,
): ExpectedStage[] {
  return inputs.benchmarks.map(({ name, count, followsUp }) => {
    const [sampling] = benchmarkSamplings(evaluation, findBenchmark(evaluation, name));
    const tokens = assumptions.answerTokens('verdictTokens', sampling ?? judgeSampling(evaluation));
    const prompt = sizes.benchmarks[name] ?? 0;
    const votes = count * evaluation.votes;
    const followUps = followsUp ? votes * assumptions.value('followUpShare') : 0;
    const usage = sumUsage([
      requestUsage(count, prompt, tokens, votes),
      requestUsage(followUps, prompt + tokens, tokens),
    ]);
    return { stage: 'evaluateJudge', iteration, benchmark: name, usage };
  });
}

/** The evaluations of the checkpoints that do not become the judge; that of the one that does is the judge's own. */
function checkpointEvaluations(
  facts: RunFacts,
  iteration: number,
  { checkpoints = 1 }: ExpectedTraining,
): ExpectedStage[] {
  const { evaluation, modelSelection } = facts.configuration;
  const selecting = new Set(
    selectingBenchmarks(evaluation.benchmarks, modelSelection).map(({ name }) => name),
  );
  if (checkpoints === 1) return [];
  return evaluations(facts, iteration).flatMap(({ benchmark, usage }) =>
    benchmark === undefined || !selecting.has(benchmark)
      ? []
      : [
          {
            ...{ stage: 'selectCheckpoint' as const, iteration, benchmark },
            usage: sumUsage(Array.from({ length: checkpoints - 1 }, () => usage)),
          },
        ],
  );
}

/** The stage whose rate a stage has: checkpoints are evaluated like judges, and plans are sampled like judgments. */
export function rateNameOf(stage: EstimatedStage['stage']): EstimatedStage['stage'] {
  if (stage === 'planJudgments') return 'judgePairs';
  return stage === 'selectCheckpoint' ? 'evaluateJudge' : stage;
}

function correctShare(assumptions: AssumptionsInUse, iteration: number): number {
  return assumptions.value(iteration === 1 ? 'correctShare' : 'laterCorrectShare');
}

/** The usage of requests of a kind; none if the run has no such requests. */
function usageOf(
  { kinds, sizes, assumptions }: RunFacts,
  name: PromptName,
  requests: number,
): EstimatedUsage {
  const kind = kinds[name];
  if (kind === undefined) return NO_USAGE;
  return requestUsage(requests, sizes.prompts[name] ?? 0, answerTokens(assumptions, kind));
}

function answerTokens(assumptions: AssumptionsInUse, { answer, sampling }: PromptKind): number {
  return answer === undefined ? 0 : assumptions.answerTokens(answer, sampling);
}

/**
 * The usage of requests.
 * @param promptTokens of each request
 * @param answerTokens of each answer
 */
function requestUsage(
  requests: number,
  promptTokens: number,
  answerTokens: number,
  answers = requests,
): EstimatedUsage {
  return {
    ...NO_USAGE,
    requests,
    answers,
    promptTokens: requests * promptTokens,
    completionTokens: answers * answerTokens,
  };
}

/** The sum. It has a time or cost only if everything that uses a model has one. */
export function sumUsage(usages: readonly EstimatedUsage[]): EstimatedUsage {
  const sum = (field: keyof EstimatedUsage) =>
    usages.reduce((total, usage) => total + (usage[field] ?? 0), 0);
  const working = usages.filter(({ requests, trainingTokens }) => requests + trainingTokens > 0);
  const known = (['seconds', 'usd'] as const).filter(
    (field) =>
      usages.some((usage) => usage[field] !== undefined) &&
      working.every((usage) => usage[field] !== undefined),
  );
  return {
    ...NO_USAGE,
    ...Object.fromEntries([...COUNTS, ...known].map((field) => [field, sum(field)])),
  };
}

/** A share of a usage, with whole numbers of requests and tokens. */
function shareOfUsage(usage: EstimatedUsage, share: number): EstimatedUsage {
  const { seconds, usd } = usage;
  return {
    ...NO_USAGE,
    ...Object.fromEntries(COUNTS.map((field) => [field, Math.round((usage[field] ?? 0) * share)])),
    ...(seconds === undefined ? {} : { seconds: seconds * share }),
    ...(usd === undefined ? {} : { usd: usd * share }),
  };
}
