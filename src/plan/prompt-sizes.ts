import type { Prompts } from '../activities/open-run.ts';
import { modelOfRole } from '../activities/models.ts';
import { MODEL_ROLES, type ModelRole } from '../activities/types.ts';
import type { JudgeRequest } from '../benchmarks/benchmark.ts';
import type { Configuration } from '../config/schema.ts';
import { renderPrompt, type PromptTemplate } from '../judge/prompt-template.ts';
import type { Conversation, TokenCounting } from './count-tokens.ts';

/** Mean tokens of a prompt. Where it shows a response, it is counted with an empty one. */
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
 * Renders a sample of instructions and of benchmark requests through the run's own prompts, and counts.
 * @param instructions where there are none, prompts are counted with an empty one, and `missing` tokens in its place
 */
export async function measurePrompts(
  configuration: Configuration,
  prompts: Prompts,
  sample: {
    readonly instructions: readonly string[];
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
  const extra = sample.instructions.length === 0 ? sample.missing : 0;
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
    benchmarks: Object.fromEntries(
      sample.benchmarks.map(({ name }) => [name, means.get(benchmarkKind(name)) ?? 0]),
    ),
    charactersPerToken: characters / Math.max(1, tokens),
    counted,
  };
}

function askedBy(
  { instructions: { categories } }: Configuration,
  prompts: Prompts,
  sample: Parameters<typeof measurePrompts>[2],
): Asked[] {
  const [seed, generator, firstJudge] = MODEL_ROLES;
  const instructions = sample.instructions.length === 0 ? [''] : sample.instructions;
  const withEach = (
    kind: string,
    role: ModelRole,
    prompt: PromptTemplate | null,
    values: Readonly<Record<string, string>> = {},
  ): Asked[] =>
    prompt === null
      ? []
      : [
          {
            kind,
            role,
            conversations: instructions.map((instruction) =>
              renderPrompt(prompt, { ...values, instruction }),
            ),
          },
        ];
  const pair = { responseA: '', responseB: '' };
  return [
    ...withEach('category', generator, prompts.category, { categories: categories?.names.join(', ') ?? '' }),
    ...withEach('complexity', generator, prompts.complexity),
    ...withEach('respond', generator, prompts.respond),
    ...withEach('similar', generator, prompts.similar, { response: '' }),
    ...withEach('worse', generator, prompts.worse, { response: '' }),
    ...withEach('firstJudge', firstJudge, prompts.judge, pair),
    ...withEach('judge', seed, prompts.judge, pair),
    ...withEach('training', seed, prompts.training, pair),
    ...sample.benchmarks.map(({ name, requests }) => ({
      kind: benchmarkKind(name),
      role: seed,
      conversations: requests.flatMap(({ prompt, values }) => {
        const template = prompts.evaluation[name]?.[prompt];
        return template === undefined ? [] : [renderPrompt(template, values)];
      }),
    })),
  ];
}

function benchmarkKind(name: string): string {
  return `benchmark ${name}`;
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / Math.max(1, numbers.length);
}
