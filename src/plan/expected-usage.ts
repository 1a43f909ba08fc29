/** What each stage of a run asks of models, before any of it is done. Pure. */
import { roundOf } from '../config/fine-tuning.ts';
import { generationIn, type Generation } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import { answerTokens, type Assumption, type AssumptionName, type Assumptions } from './assumptions.ts';
import { expectedExamples, expectedTraining, type ExpectedTraining } from './expected-training.ts';
import { expectedJudgments } from './expected-judgments.ts';
import type { PromptSizes } from './prompt-sizes.ts';

export interface ModelUsage {
  /** Each is answered once or, asked for several samples, several times. */
  readonly requests: number;
  readonly answers: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** A stage of one iteration, as progress and report name it; an evaluation by its benchmark. */
export interface ExpectedStage {
  readonly stage:
    'categorizeInstructions' | 'generatePairs' | 'preparePairs' | 'judgePairs' | 'fineTune' | 'evaluateJudge';
  readonly iteration: number;
  readonly benchmark?: string;
  readonly usage: ModelUsage;
  readonly training?: ExpectedTraining;
}

/** How many there are of what the stages work on. */
export interface ExpectedCounts {
  /** What pairs are made from; undefined where they are given. */
  readonly pool: PoolCounts | undefined;
  readonly pairs: number;
  /** Human-labelled pairs that are judged too. */
  readonly humanPairs: number;
}

export interface PoolCounts {
  /** After the pool's filters. */
  readonly instructions: number;
  readonly selected: number;
}

export interface UsageInput {
  readonly configuration: Configuration;
  readonly sizes: PromptSizes;
  readonly assumptions: Assumptions;
  readonly counts: ExpectedCounts;
  readonly benchmarks: readonly {
    readonly name: string;
    readonly requests: number;
    readonly followsUp: boolean;
  }[];
  /** Processes that train side by side. */
  readonly devices: number;
}

const ORDERS_OF_A_PAIR = 2;

/** All stages in the order in which a run has them. */
export function expectedStages(input: UsageInput): ExpectedStage[] {
  const { configuration } = input;
  const iterations = Array.from({ length: configuration.iterations }, (_, index) => index + 1);
  return [
    ...makingPairs(input),
    ...evaluating(input, 0),
    ...iterations.flatMap((iteration): ExpectedStage[] => [
      { stage: 'judgePairs', iteration, usage: judging(input, iteration) },
      { stage: 'fineTune', iteration, usage: NOTHING, training: training(input, iteration) },
      ...evaluating(input, iteration),
    ]),
  ];
}

/** The share of the pool that is selected by category and complexity, each value as often as any other where nothing is known. */
export function keptShare(
  instructions: Generation['instructions'],
  { keptShare: known }: Assumptions,
): number {
  if (known !== undefined) return known.value;
  const { complexity } = instructions;
  return categoryShare(instructions) * (complexity === null ? 1 : complexityShare(complexity));
}

export function selectedOf(
  settings: Generation['instructions'],
  assumptions: Assumptions,
  instructions: number,
): number {
  const wanted = Math.round(instructions * keptShare(settings, assumptions));
  return Math.min(wanted, settings.maximum ?? Infinity);
}

function categoryShare({ categories }: Generation['instructions']): number {
  return categories === null ? 1 : categories.keep.length / categories.names.length;
}

const COMPLEXITIES = 5;

function complexityShare({
  minimum,
  maximum,
}: {
  readonly minimum: number;
  readonly maximum: number;
}): number {
  return (maximum - minimum + 1) / COMPLEXITIES;
}

/** Given pairs are read: no model is asked for them. */
function makingPairs(input: UsageInput): ExpectedStage[] {
  const generation = generationIn(input.configuration);
  const { pool } = input.counts;
  if (generation === undefined || pool === undefined)
    return [{ stage: 'preparePairs', iteration: 0, usage: NOTHING }];
  return [
    ...categorizing(input, generation, pool),
    { stage: 'generatePairs', iteration: 0, usage: generating(input, generation, pool) },
  ];
}

function categorizing(
  { sizes, assumptions }: UsageInput,
  { instructions }: Generation,
  counts: PoolCounts,
): ExpectedStage[] {
  const { categories, complexity } = instructions;
  if (categories === null && complexity === null) return [];
  const forCategory = categories === null ? 0 : counts.instructions;
  const forComplexity = complexity === null ? 0 : counts.instructions * categoryShare(instructions);
  const usage = sumOfUsage([
    asked(forCategory, sizes.category, answer(assumptions, 'categoryTokens', categories?.sampling)),
    asked(forComplexity, sizes.complexity, answer(assumptions, 'complexityTokens', complexity?.sampling)),
  ]);
  return [{ stage: 'categorizeInstructions', iteration: 0, usage }];
}

function generating(
  { sizes, assumptions }: UsageInput,
  { pairs: { construction, calls, responseSampling, similarSampling } }: Generation,
  { selected }: PoolCounts,
): ModelUsage {
  const response = answer(assumptions, 'responseTokens', responseSampling);
  const similar = answer(assumptions, 'similarTokens', similarSampling);
  const better = asked(selected, sizes.respond, response);
  if (construction === 'worse-response')
    return sumOfUsage([better, asked(selected, sizes.worse + response, response)]);
  // The usual prompt for one call shows the response, and the answer holds x' and its own response.
  if (calls === 'one')
    return sumOfUsage([
      better,
      asked(selected, sizes.similar + response, Math.min(similar + response, similarSampling.maxTokens)),
    ]);
  return sumOfUsage([
    better,
    asked(selected, sizes.similar, similar),
    asked(selected, sizes.respond, response),
  ]);
}

/** Tokens of both responses that the sizes of a judge's prompts are without. */
function shownResponses({ configuration, sizes, assumptions }: UsageInput): number {
  if (sizes.showResponses) return 0;
  const sampling = generationIn(configuration)?.pairs.responseSampling;
  const each =
    sampling === undefined
      ? needed(assumptions, 'responseTokens').value
      : answer(assumptions, 'responseTokens', sampling);
  return 2 * each;
}

function judging(input: UsageInput, iteration: number): ModelUsage {
  const { configuration, sizes, assumptions, counts } = input;
  const { judging: settings, filtering } = configuration;
  const examples = ORDERS_OF_A_PAIR * judgedPairs(configuration, counts);
  const { requests, judgments } = expectedJudgments(
    { ...settings, judgmentsPerExample: filtering.judgmentsPerExample },
    rightShare(assumptions, iteration),
  );
  const prompt = (iteration === 1 ? sizes.firstJudge : sizes.judge) + shownResponses(input);
  return {
    requests: examples * requests,
    answers: examples * judgments,
    promptTokens: examples * requests * prompt,
    completionTokens: examples * judgments * answer(assumptions, 'judgmentTokens', settings.sampling),
  };
}

/** Pairs that no training set takes are not judged either. */
function judgedPairs({ filtering }: Configuration, { pairs, humanPairs }: ExpectedCounts): number {
  return (filtering.generatedWeight > 0 ? pairs : 0) + humanPairs;
}

function training(input: UsageInput, iteration: number): ExpectedTraining {
  const { configuration, sizes, assumptions, counts, devices } = input;
  const { judging: settings } = configuration;
  const judgment = answer(assumptions, 'judgmentTokens', settings.sampling);
  const examples = expectedExamples(configuration, iteration, {
    generated: configuration.filtering.generatedWeight > 0 ? ORDERS_OF_A_PAIR * counts.pairs : 0,
    human: ORDERS_OF_A_PAIR * counts.humanPairs,
    rightShare: rightShare(assumptions, iteration),
  });
  const conversation = sizes.training + shownResponses(input) + judgment;
  return expectedTraining(roundOf(configuration.fineTuning, iteration), { examples, conversation, devices });
}

function evaluating(
  { configuration: { evaluation }, sizes, assumptions, benchmarks }: UsageInput,
  iteration: number,
): ExpectedStage[] {
  return benchmarks.map(({ name, requests, followsUp }) => {
    const { sampling = evaluation.sampling } = evaluation.benchmarks.find((each) => each.name === name) ?? {};
    const tokens = answer(assumptions, 'verdictTokens', sampling);
    const prompt = sizes.benchmarks[name] ?? 0;
    const votes = requests * evaluation.votes;
    const again = followsUp ? votes * (assumptions.followUpShare?.value ?? 0) : 0;
    const first = {
      requests,
      answers: votes,
      promptTokens: requests * prompt,
      completionTokens: votes * tokens,
    };
    return {
      stage: 'evaluateJudge',
      iteration,
      benchmark: name,
      usage: sumOfUsage([first, asked(again, prompt + tokens, tokens)]),
    };
  });
}

/** The first judge's share of right judgments, or that of the judges that were trained. */
function rightShare(assumptions: Assumptions, iteration: number): number {
  return needed(assumptions, iteration === 1 ? 'rightShare' : 'laterRightShare').value;
}

function answer(
  assumptions: Assumptions,
  name: AssumptionName,
  sampling: { readonly maxTokens: number } | undefined,
): number {
  return sampling === undefined ? 0 : answerTokens(needed(assumptions, name), sampling);
}

function needed(assumptions: Assumptions, name: AssumptionName): Assumption {
  const found = assumptions[name];
  if (found === undefined) throw new Error(`nothing is assumed for ${name}`);
  return found;
}

function asked(requests: number, promptTokens: number, completionTokens: number): ModelUsage {
  return {
    requests,
    answers: requests,
    promptTokens: requests * promptTokens,
    completionTokens: requests * completionTokens,
  };
}

const NOTHING: ModelUsage = { requests: 0, answers: 0, promptTokens: 0, completionTokens: 0 };

export function sumOfUsage(usages: readonly ModelUsage[]): ModelUsage {
  return usages.reduce(
    (sum, usage) => ({
      requests: sum.requests + usage.requests,
      answers: sum.answers + usage.answers,
      promptTokens: sum.promptTokens + usage.promptTokens,
      completionTokens: sum.completionTokens + usage.completionTokens,
    }),
    NOTHING,
  );
}
