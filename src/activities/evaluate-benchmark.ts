import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import type { WorkRecord } from '../artifacts/resume-shard.ts';
import type { Benchmark, BenchmarkItem, JudgeRequest } from '../benchmarks/benchmark.ts';
import { benchmarkOf } from '../benchmarks/registry.ts';
import type { Sampling } from '../config/schema.ts';
import { type Message, renderPrompt } from '../judge/prompt-template.ts';
import { hashOf, samplingSeed } from '../judge/seeds.ts';
import { benchmarkNamed } from './benchmark-named.ts';
import type { Dependencies } from './dependencies.ts';
import { missingRuns } from './missing-samples.ts';
import type { ResolvedEvaluation } from './open-run.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { type Ask, workOnShard } from './work-on-shard.ts';

/** One vote of a judge on a request of a benchmark. */
export interface EvaluationJudgment {
  readonly id: string;
  readonly item: string;
  readonly slot: string;
  readonly vote: number;
  /** Where the judge was asked once more, both texts, with a line between them. */
  readonly text: string;
  /** As the benchmark's published script reads it; null where it finds none. */
  readonly verdict: string | null;
  readonly finishReason: string;
}

/** What a judge wrote: its vote, or what it wrote when it was asked once more for one. */
interface Answer extends WorkRecord {
  readonly vote: number;
  readonly part: 'first' | 'follow-up';
  readonly text: string;
  readonly finishReason: string;
}

/** Asks a judge everything that a shard of a benchmark asks, as often as there are votes (method, step 6). */
export function evaluateBenchmark(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<BenchmarkItem, JudgeRequest, Answer, EvaluationJudgment>(
    deps,
    'evaluateBenchmark',
    input,
    (resolved: ResolvedEvaluation) => {
      const { configuration, prompts } = resolved;
      const { seed, evaluation } = configuration;
      const { name, format, sampling = evaluation.sampling } = benchmarkNamed(evaluation, input.benchmark);
      const benchmark = benchmarkOf(format);
      const templates = prompts.evaluation[name] ?? {};
      const { votes } = evaluation;
      return {
        meaning: evaluatingMeaning(resolved, name),
        units: (items) => items.flatMap((item) => benchmark.requests(item)),
        async work(request, existing, emit, ask) {
          const template = templates[request.prompt];
          if (template === undefined) throw new Error(`${name} has no prompt ${request.prompt}`);
          const voting = {
            messages: renderPrompt(template, request.values),
            sampling,
            firstSeed: samplingSeed(seed, 'evaluate', name, request.id),
            votes,
          };
          await askForVotes(benchmark, request.id, voting, existing, emit, ask);
        },
        assemble: (request, answers) => judgmentsOf(benchmark, request, answers),
        count: (judgments) => ({
          judgments: judgments.length,
          noVerdict: judgments.filter(({ verdict }) => verdict === null).length,
        }),
      };
    },
  );
}

/** What the judgments of a benchmark's shard follow from. */
export function evaluatingMeaning(
  { configuration: { evaluation }, prompts }: ResolvedEvaluation,
  benchmark: string,
): Fingerprint {
  const { name, format, sampling = evaluation.sampling } = benchmarkNamed(evaluation, benchmark);
  const prompt = hashOf(canonicalJson(prompts.evaluation[name] ?? {}));
  return { stage: 'evaluate', format, prompt, sampling, votes: evaluation.votes };
}

interface Voting {
  readonly messages: readonly Message[];
  readonly sampling: Sampling;
  /** Of vote 0; vote k has the seed plus k. */
  readonly firstSeed: number;
  readonly votes: number;
}

/** Asks for the votes that are missing, and once more where the benchmark does that. */
async function askForVotes(
  benchmark: Benchmark,
  unit: string,
  { messages, sampling, firstSeed, votes }: Voting,
  existing: readonly Answer[],
  emit: (answer: Answer) => void,
  ask: Ask,
): Promise<void> {
  const first = new Map(
    existing.filter(({ part }) => part === 'first').map((answer) => [answer.vote, answer]),
  );
  for (const run of missingRuns(votes, new Set(first.keys()))) {
    const seed = firstSeed + run.start;
    const { choices, usage } = await ask({ messages, sampling, samples: run.count, seed });
    choices.forEach(({ text, finishReason }, index) => {
      const vote = run.start + index;
      const spent = index === 0 ? { usage } : {};
      const answer: Answer = {
        id: answerId(unit, vote),
        unit,
        vote,
        part: 'first',
        text,
        finishReason,
        ...spent,
      };
      first.set(vote, answer);
      emit(answer);
    });
  }
  const followed = new Set(existing.filter(({ part }) => part === 'follow-up').map(({ vote }) => vote));
  for (const { vote, text: before } of first.values()) {
    const question = benchmark.followUp?.(before);
    if (question === undefined || followed.has(vote)) continue;
    const conversation: Message[] = [
      ...messages,
      { role: 'assistant', content: before },
      { role: 'user', content: question },
    ];
    const seed = firstSeed + vote;
    const { choices, usage } = await ask({ messages: conversation, sampling, samples: 1, seed });
    for (const { text, finishReason } of choices) {
      const id = `${answerId(unit, vote)}/follow-up`;
      emit({ id, unit, vote, part: 'follow-up', text, finishReason, usage });
    }
  }
}

function judgmentsOf(
  benchmark: Benchmark,
  request: JudgeRequest,
  answers: readonly Answer[],
): EvaluationJudgment[] {
  return answers
    .filter(({ part }) => part === 'first')
    .map(({ id, vote, ...first }) => {
      const more = answers.find((answer) => answer.part === 'follow-up' && answer.vote === vote);
      const text = more === undefined ? first.text : `${first.text}\n${more.text}`;
      const verdict = benchmark.officialVerdict(text, request.prompt) ?? null;
      const { finishReason } = more ?? first;
      return { id, item: request.item, slot: request.slot, vote, text, verdict, finishReason };
    });
}

function answerId(unit: string, vote: number): string {
  return `${unit}/${String(vote).padStart(4, '0')}`;
}
