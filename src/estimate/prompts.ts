/** The prompts of a run: which stage sends them to which model, how they are rendered, and how long they are. */
import { findGeneration } from '../config/pair-source.ts';
import type { RunEstimate } from '../api/estimate.ts';
import { modelOfRole, type ModelRole } from '../config/model-roles.ts';
import { lastTurnOf, type UserRequest } from '../method/conversation.ts';
import {
  renderInConversation,
  renderPrompt,
  type ChatMessage,
  type PromptTemplate,
} from '../method/prompt-template.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import type { ResolvedConfiguration } from '../runs/open-run.ts';
import { trainedTaskPrompts, type Prompts } from '../runs/prompts.ts';
import { taskQuestion, type TaskName } from '../method/tasks.ts';
import type { AssumptionName, AssumptionsInUse } from './assumptions.ts';
import type { EstimateInputs, EstimateSource, SampledBenchmark } from './estimate-inputs.ts';
import type { ModelStage } from './rates.ts';

export type Conversation = readonly ChatMessage[];

/** An instruction with its responses, which are empty until the run has generated them. */
export type PromptSubject = UserRequest & { readonly chosen: string; readonly rejected: string };

export interface PromptKind {
  readonly stage: ModelStage | 'fineTune';
  readonly role: ModelRole;
  readonly sampling: SamplingParameters;
  /** The assumption about the length of an answer; undefined if none is about exactly these answers. */
  readonly answer: AssumptionName | undefined;
  readonly render: (subject: PromptSubject) => Conversation;
}

type GenerationPrompt = 'category' | 'complexity' | 'respond' | 'similar' | 'worse';
type PlanPrompt = 'firstPlan' | 'plan';
type JudgePrompt = 'firstJudge' | 'judge' | 'training';
export type PromptName = GenerationPrompt | PlanPrompt | JudgePrompt;

/** Prompts that the run doesn't use are missing. */
export type PromptKinds = Readonly<
  Record<JudgePrompt, PromptKind> & Partial<Record<GenerationPrompt | PlanPrompt, PromptKind>>
>;

export function promptKinds(resolved: ResolvedConfiguration): PromptKinds {
  const { configuration, prompts } = resolved;
  const judge: PromptKind = {
    stage: 'judgePairs',
    role: 'seed',
    sampling: configuration.judging.sampling,
    answer: 'judgmentTokens',
    // The tokens of the plan are added where the requests are counted.
    render: renderPair(prompts.execution ?? prompts.judge, { plan: '' }),
  };
  return {
    ...generationPromptKinds(resolved),
    ...planPromptKinds(resolved),
    firstJudge: { ...judge, role: 'firstJudge' },
    judge,
    // The completion of a training example is a judgment.
    training: { ...judge, stage: 'fineTune', render: renderPair(prompts.training) },
  };
}

function planPromptKinds({ configuration: { judging }, prompts }: ResolvedConfiguration) {
  if (judging.plan === undefined || prompts.plan === undefined) return {};
  const plan = {
    stage: 'judgePairs',
    role: 'seed',
    sampling: judging.plan.sampling,
    answer: 'planTokens',
    render: renderText(prompts.plan, {}),
  } as const;
  return { firstPlan: { ...plan, role: 'firstJudge' as const }, plan };
}

function generationPromptKinds({ configuration, prompts }: ResolvedConfiguration) {
  const kinds: Partial<Record<GenerationPrompt, PromptKind>> = {};
  const generation = findGeneration(configuration);
  if (generation === undefined) return kinds;
  const { categories, complexity } = generation.instructions;
  const { calls, responseSampling, similarSampling } = generation.pairs;
  const add = (
    stage: ModelStage,
    name: GenerationPrompt,
    sampling: SamplingParameters | undefined,
    answer?: AssumptionName,
  ) => {
    const template = prompts[name];
    if (template === null || sampling === undefined) return;
    const values = { categories: categories?.names.join(', ') ?? '' };
    const render = stage === 'generatePairs' ? renderLastTurn(template) : renderText(template, values);
    kinds[name] = { stage, role: 'generator', sampling, answer, render };
  };
  add('categorizeInstructions', 'category', categories?.sampling, 'categoryTokens');
  add('categorizeInstructions', 'complexity', complexity?.sampling, 'complexityTokens');
  add('generatePairs', 'respond', responseSampling, 'responseTokens');
  // With one call the answer holds the similar instruction and its response.
  add('generatePairs', 'similar', similarSampling, calls === 'two' ? 'similarTokens' : undefined);
  add('generatePairs', 'worse', responseSampling);
  return kinds;
}

/** The prompts for the requests of a benchmark. */
export function benchmarkPrompts({ name, requests }: SampledBenchmark, prompts: Prompts): Conversation[] {
  return requests.flatMap(({ prompt, values }) => {
    const template = prompts.evaluation[name]?.[prompt];
    return template === undefined ? [] : [renderPrompt(template, values)];
  });
}

/** Renders a conversation as one text. */
function renderText(template: PromptTemplate, values: Record<string, string>): PromptKind['render'] {
  return ({ instruction }) => renderPrompt(template, { instruction, ...values });
}

/** Renders the last turn of a conversation, after the earlier ones as messages. */
function renderLastTurn(template: PromptTemplate): PromptKind['render'] {
  return (subject) => {
    const { instruction, earlier } = lastTurnOf(subject);
    return renderInConversation(template, { instruction, response: subject.chosen }, earlier);
  };
}

/** Renders a conversation as one text, with both responses. */
function renderPair(
  template: PromptTemplate,
  more: Readonly<Record<string, string>> = {},
): PromptKind['render'] {
  return ({ instruction, chosen, rejected }) =>
    renderPrompt(template, { instruction, responseA: chosen, responseB: rejected, ...more });
}

/** Mean tokens of the prompts. */
export interface PromptSizes {
  /** Responses that the run is still to generate count as empty. */
  readonly prompts: Readonly<Partial<Record<PromptName, number>>>;
  /** True if the prompts of judges and of the training include the responses of provided pairs. */
  readonly includeResponses: boolean;
  /** By the benchmark's name. */
  readonly benchmarks: Readonly<Record<string, number>>;
  /** By the task. */
  readonly tasks: Readonly<Partial<Record<TaskName, number>>>;
  readonly charactersPerToken: number;
  readonly counted: RunEstimate['tokenizers'];
}

type CountTokens = (
  checkpoint: string,
  conversations: readonly Conversation[],
) => Promise<{ readonly counts: readonly number[]; readonly by: RunEstimate['tokenizers'][number]['by'] }>;

interface PromptGroup {
  readonly name: string;
  readonly role: ModelRole;
  readonly conversations: readonly Conversation[];
}

/**
 * Renders a sample of instructions, or of provided pairs, and of benchmark requests by the run's own prompts, and counts their
 * tokens. Without a sample, prompts count with the assumed length of an instruction.
 */
export async function measurePrompts(
  resolved: ResolvedConfiguration,
  { source, benchmarks, tasks }: Pick<EstimateInputs, 'source' | 'benchmarks' | 'tasks'>,
  assumptions: AssumptionsInUse,
  countTokens: CountTokens,
): Promise<PromptSizes> {
  const subjects = promptSubjects(source);
  const kinds = Object.entries(promptKinds(resolved));
  const groups: PromptGroup[] = [
    ...kinds.map(([name, { role, render }]) => ({ name, role, conversations: subjects.map(render) })),
    ...benchmarks.map((benchmark) => ({
      name: `benchmark ${benchmark.name}`,
      role: 'seed' as const,
      conversations: benchmarkPrompts(benchmark, resolved.prompts),
    })),
    ...tasks.map(({ task, sample }) => ({
      name: `task ${task}`,
      role: 'seed' as const,
      conversations: sample.map(({ record }) => {
        const { prompt, values } = taskQuestion(task, record);
        return renderPrompt(trainedTaskPrompts(resolved.prompts, task)[prompt], values);
      }),
    })),
  ];
  const { means, counted, charactersPerToken } = await countGroups(resolved, groups, countTokens);
  const isSampled = source !== undefined && source.sample.length > 0;
  const instructionTokens = isSampled ? 0 : assumptions.value('instructionTokens');
  return {
    prompts: Object.fromEntries(kinds.map(([name]) => [name, (means.get(name) ?? 0) + instructionTokens])),
    includeResponses: isSampled && source.kind === 'pairs',
    benchmarks: Object.fromEntries(benchmarks.map(({ name }) => [name, means.get(`benchmark ${name}`) ?? 0])),
    tasks: Object.fromEntries(tasks.map(({ task }) => [task, means.get(`task ${task}`) ?? 0])),
    charactersPerToken,
    counted,
  };
}

/** Counts the prompts of each checkpoint in one call, because each call loads a tokenizer. */
async function countGroups(
  { configuration }: ResolvedConfiguration,
  groups: readonly PromptGroup[],
  countTokens: CountTokens,
) {
  const counted: { checkpoint: string; by: RunEstimate['tokenizers'][number]['by'] }[] = [];
  const means = new Map<string, number>();
  let [characters, tokens] = [0, 0];
  const byCheckpoint = Map.groupBy(groups, ({ role }) => modelOfRole(configuration, role).checkpoint);
  for (const [checkpoint, ofCheckpoint] of byCheckpoint) {
    const all = ofCheckpoint.flatMap(({ conversations }) => conversations);
    const { counts, by } = await countTokens(checkpoint, all);
    counted.push({ checkpoint, by });
    tokens += sumOf(counts);
    characters += sumOf(all.flat().map(({ content }) => content.length));
    let start = 0;
    for (const { name, conversations } of ofCheckpoint) {
      const end = start + conversations.length;
      means.set(name, sumOf(counts.slice(start, end)) / Math.max(1, conversations.length));
      start = end;
    }
  }
  return { means, counted, charactersPerToken: characters / Math.max(1, tokens) };
}

function promptSubjects(source: EstimateSource | undefined): readonly PromptSubject[] {
  const withoutResponses = { chosen: '', rejected: '' };
  if (source === undefined || source.sample.length === 0) return [{ instruction: '', ...withoutResponses }];
  if (source.kind === 'pairs') return source.sample;
  return source.sample.map((request) => ({ ...request, ...withoutResponses }));
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
