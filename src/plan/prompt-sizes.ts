import type { Prompts } from '../activities/open-run.ts';
import { modelOfRole } from '../activities/models.ts';
import { MODEL_ROLES, type ModelRole } from '../activities/types.ts';
import type { JudgeRequest } from '../benchmarks/benchmark.ts';
import { generationIn } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import { lastTurnOf, type Asked as Instruction } from '../judge/conversation.ts';
import { renderInConversation, renderPrompt, type PromptTemplate } from '../judge/prompt-template.ts';
import type { Conversation, TokenCounting } from './count-tokens.ts';
import type { PlanSource } from './plan-inputs.ts';

/** Mean tokens of a prompt. Where it shows a response that is still to be written, it is counted with an empty one. */
export interface PromptSizes {
  readonly category: number;
  readonly complexity: number;
  readonly respond: number;
  readonly similar: number;
  readonly worse: number;
  /** As the first judge counts, and as all later ones do. */
  readonly firstJudge: number;
  readonly judge: number;
  readonly training: number;
  /** Whether the judges' prompts and that of training are counted with the responses of given pairs. */
  readonly showResponses: boolean;
  readonly benchmarks: Readonly<Record<string, number>>;
  readonly charactersPerToken: number;
  readonly counted: readonly { readonly checkpoint: string; readonly by: TokenCounting }[];
}

/** The requests of a benchmark that stand for all of them. */
export interface SampledBenchmark {
  readonly name: string;
  readonly requests: readonly JudgeRequest[];
}

export type CountTokens = (
  checkpoint: string,
  conversations: readonly Conversation[],
) => Promise<{ readonly counts: readonly number[]; readonly by: TokenCounting }>;

/** Prompts of one kind, and whose model is asked with them. */
interface Asked {
  readonly kind: string;
  readonly role: ModelRole;
  readonly conversations: readonly Conversation[];
}

/**
 * Renders a sample of instructions, or of given pairs, and of benchmark requests through the run's own prompts, and counts.
 * @param source where it has nothing, prompts are counted with an empty instruction, and `missing` tokens in its place
 */
export async function measurePrompts(
  configuration: Configuration,
  prompts: Prompts,
  sample: {
    readonly source: PlanSource | undefined;
    readonly missing: number;
    readonly benchmarks: readonly SampledBenchmark[];
  },
  countTokens: CountTokens,
): Promise<PromptSizes> {
  const asked = askedBy(configuration, prompts, sample);
  const counted: { checkpoint: string; by: TokenCounting }[] = [];
  const means = new Map<string, number>();
  let [characters, tokens] = [0, 0];
  const checkpointOf = ({ role }: Asked) => modelOfRole(configuration, role).checkpoint;
  for (const [checkpoint, kinds] of Map.groupBy(asked, checkpointOf)) {
    const all = kinds.flatMap(({ conversations }) => conversations);
    const { counts, by } = await countTokens(checkpoint, all);
    counted.push({ checkpoint, by });
    tokens += counts.reduce((sum, count) => sum + count, 0);
    characters += all.flat().reduce((sum, { content }) => sum + content.length, 0);
    let start = 0;
    for (const { kind, conversations } of kinds) {
      const end = start + conversations.length;
      means.set(kind, meanOf(counts.slice(start, end)));
      start = end;
    }
  }
  const isEmpty = (sample.source?.sample ?? []).length === 0;
  const extra = isEmpty ? sample.missing : 0;
  const sizeOf = (kind: string) => (means.get(kind) ?? 0) + extra;
  return {
    category: sizeOf('category'),
    complexity: sizeOf('complexity'),
    respond: sizeOf('respond'),
    similar: sizeOf('similar'),
    worse: sizeOf('worse'),
    firstJudge: sizeOf('firstJudge'),
    judge: sizeOf('judge'),
    training: sizeOf('training'),
    showResponses: sample.source?.kind === 'pairs' && !isEmpty,
    benchmarks: Object.fromEntries(
      sample.benchmarks.map(({ name }) => [name, means.get(benchmarkKind(name)) ?? 0]),
    ),
    charactersPerToken: characters / Math.max(1, tokens),
    counted,
  };
}

function askedBy(
  configuration: Configuration,
  prompts: Prompts,
  { source, benchmarks }: Parameters<typeof measurePrompts>[2],
): Asked[] {
  const [seed, generator, firstJudge] = MODEL_ROLES;
  const shown = shownPairs(source);
  const names = generationIn(configuration)?.instructions.categories?.names.join(', ') ?? '';
  const kindOf = (
    kind: string,
    role: ModelRole,
    prompt: PromptTemplate | null,
    render: (prompt: PromptTemplate, pair: ShownPair) => Conversation,
  ): Asked[] =>
    prompt === null ? [] : [{ kind, role, conversations: shown.map((pair) => render(prompt, pair)) }];
  // As the run asks: about the whole of a conversation as text, and for what answers its last turn as a chat.
  const about = (prompt: PromptTemplate, { instruction }: ShownPair) =>
    renderPrompt(prompt, { instruction, categories: names });
  const inConversation = (prompt: PromptTemplate, pair: ShownPair) => {
    const { instruction, earlier } = lastTurnOf(pair);
    return renderInConversation(prompt, { instruction, response: '' }, earlier);
  };
  const judged = (prompt: PromptTemplate, { instruction, chosen, rejected }: ShownPair) =>
    renderPrompt(prompt, { instruction, responseA: chosen, responseB: rejected });
  return [
    ...kindOf('category', generator, prompts.category, about),
    ...kindOf('complexity', generator, prompts.complexity, about),
    ...kindOf('respond', generator, prompts.respond, inConversation),
    ...kindOf('similar', generator, prompts.similar, inConversation),
    ...kindOf('worse', generator, prompts.worse, inConversation),
    ...kindOf('firstJudge', firstJudge, prompts.judge, judged),
    ...kindOf('judge', seed, prompts.judge, judged),
    ...kindOf('training', seed, prompts.training, judged),
    ...benchmarks.map(({ name, requests }) => ({
      kind: benchmarkKind(name),
      role: seed,
      conversations: requests.flatMap(({ prompt, values }) => {
        const template = prompts.evaluation[name]?.[prompt];
        return template === undefined ? [] : [renderPrompt(template, values)];
      }),
    })),
  ];
}

type ShownPair = Instruction & { readonly chosen: string; readonly rejected: string };

/** What prompts show: given pairs as they are, instructions with responses that nobody has written yet. */
function shownPairs(source: PlanSource | undefined): readonly ShownPair[] {
  const unwritten = { chosen: '', rejected: '' };
  if (source === undefined || source.sample.length === 0) return [{ instruction: '', ...unwritten }];
  if (source.kind === 'pairs') return source.sample;
  return source.sample.map((instruction) => ({ ...instruction, ...unwritten }));
}

function benchmarkKind(name: string): string {
  return `benchmark ${name}`;
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / Math.max(1, numbers.length);
}
