import type { StageName } from '../api/stages.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { ShardRecord } from '../store/shard-types.ts';
import type { Benchmark, BenchmarkItem, JudgeRequest } from '../benchmarks/benchmark.ts';
import { loadBenchmark } from '../benchmarks/registry.ts';
import { type VerdictProbabilities, verdictProbabilities } from '../method/verdict-probability.ts';
import type { Choice } from '../models/inference/chat-answer.ts';
import { TOP_LOGPROBS } from '../models/inference/require-logprobs.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import { type ChatMessage, renderPrompt } from '../method/prompt-template.ts';
import { samplingSeed } from '../method/seeds.ts';
import { benchmarkSampling, samplingFingerprintInputs } from '../config/benchmark-sampling.ts';
import { findBenchmark } from '../config/find-benchmark.ts';
import type { Dependencies } from './dependencies.ts';
import { missingSampleRanges } from '../method/missing-samples.ts';
import { openEvaluation, type ResolvedEvaluation } from '../runs/open-run.ts';
import type { ShardInput, ShardResult } from '../api/activity-types.ts';
import { type SendRequest, processShard } from './process-shard.ts';
import { benchmarkPromptsHash } from '../runs/benchmark-prompts.ts';
import type { EvaluationJudgment } from '../runs/records.ts';

/** An answer of the judge: a vote, or its answer to a follow-up question. */
interface BenchmarkAnswer extends ShardRecord {
  readonly vote: number;
  readonly part: 'first' | 'follow-up';
  readonly text: string;
  /** The reasoning that the server returned apart from the text. */
  readonly reasoning?: string;
  readonly finishReason: string;
  readonly probabilities?: VerdictProbabilities;
}

/** Sends all requests of a shard of a benchmark to a judge, once for each vote (method, step 6). */
export function evaluateBenchmark(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return processShard<ResolvedEvaluation, BenchmarkItem, JudgeRequest, BenchmarkAnswer, EvaluationJudgment>(
    deps,
    'evaluateBenchmark',
    input,
    openEvaluation,
    async (resolved: ResolvedEvaluation) => {
      const { configuration, prompts } = resolved;
      const { seed, evaluation } = configuration;
      const configured = findBenchmark(evaluation, input.benchmark);
      const { name, format } = configured;
      const benchmark = await loadBenchmark(format);
      const templates = prompts.evaluation[name] ?? {};
      const { votes } = evaluation;
      return {
        fingerprintInputs: evaluationFingerprintInputs(resolved, name),
        units: (items) => items.flatMap((item) => benchmark.requests(item)),
        async work(request, existing, emit, ask) {
          const template = templates[request.prompt];
          if (template === undefined) throw new Error(`${name} has no prompt ${request.prompt}`);
          const voting = {
            messages: renderPrompt(template, request.values),
            sampling: benchmarkSampling(evaluation, configured, request.prompt),
            firstSeed: samplingSeed(seed, 'evaluate', name, request.id),
            votes,
            followUp: template.followUp,
            topLogprobs: configured.probabilities === true ? TOP_LOGPROBS : undefined,
          };
          await askForVotes(benchmark, request.id, voting, existing, emit, ask);
        },
        assembleResults: (request, answers) => judgmentsOf(benchmark, request, answers),
        countResults: (judgments) => ({
          judgments: judgments.length,
          unparsableJudgments: judgments.filter(({ verdict }) => verdict === null).length,
        }),
      };
    },
  );
}

/** The fingerprint inputs of the judgments of a benchmark's shard. */
export function evaluationFingerprintInputs(
  { configuration: { evaluation }, prompts }: ResolvedEvaluation,
  benchmark: string,
): Fingerprint {
  const configured = findBenchmark(evaluation, benchmark);
  const { name, format } = configured;
  return {
    stage: 'evaluateBenchmark' satisfies StageName,
    format,
    prompt: benchmarkPromptsHash(prompts.evaluation, name),
    sampling: samplingFingerprintInputs(evaluation, configured),
    votes: evaluation.votes,
    ...(configured.probabilities === true ? { probabilities: true } : {}),
  };
}

interface VoteRequest {
  readonly messages: readonly ChatMessage[];
  readonly sampling: SamplingParameters;
  /** The seed of vote 0; vote k has this seed plus k. */
  readonly firstSeed: number;
  readonly votes: number;
  /** Replaces the benchmark's own follow-up message. */
  readonly followUp?: string | undefined;
  /** Set if the probabilities of the verdicts are measured. */
  readonly topLogprobs: number | undefined;
}

/** Requests the missing votes, and the missing follow-up answers if the benchmark has follow-up questions. */
async function askForVotes(
  benchmark: Benchmark,
  unit: string,
  { messages, sampling, firstSeed, votes, followUp, topLogprobs }: VoteRequest,
  existing: readonly BenchmarkAnswer[],
  emit: (answer: BenchmarkAnswer) => void,
  ask: SendRequest,
): Promise<void> {
  const first = new Map(
    existing.filter(({ part }) => part === 'first').map((answer) => [answer.vote, answer]),
  );
  for (const run of missingSampleRanges(votes, new Set(first.keys()))) {
    const seed = firstSeed + run.start;
    const { choices, usage } = await ask({ messages, sampling, samples: run.count, seed, topLogprobs });
    choices.forEach((choice, index) => {
      const { text, reasoning, finishReason } = choice;
      const vote = run.start + index;
      const usageField = index === 0 ? { usage } : {};
      const answer: BenchmarkAnswer = {
        id: answerId(unit, vote),
        unit,
        vote,
        part: 'first',
        text,
        ...(reasoning === undefined ? {} : { reasoning }),
        finishReason,
        ...probabilitiesField(choice, topLogprobs),
        ...usageField,
      };
      first.set(vote, answer);
      emit(answer);
    });
  }
  const followed = new Set(existing.filter(({ part }) => part === 'follow-up').map(({ vote }) => vote));
  for (const { vote, text: before } of first.values()) {
    const ownQuestion = benchmark.followUp?.(before);
    if (ownQuestion === undefined || followed.has(vote)) continue;
    const conversation: ChatMessage[] = [
      ...messages,
      { role: 'assistant', content: before },
      { role: 'user', content: followUp ?? ownQuestion },
    ];
    const seed = firstSeed + vote;
    const { choices, usage } = await ask({ messages: conversation, sampling, samples: 1, seed, topLogprobs });
    for (const choice of choices) {
      const { text, reasoning, finishReason } = choice;
      const id = `${answerId(unit, vote)}/follow-up`;
      const reasoningField = reasoning === undefined ? {} : { reasoning };
      const given = { ...reasoningField, finishReason, ...probabilitiesField(choice, topLogprobs) };
      emit({ id, unit, vote, part: 'follow-up', text, ...given, usage });
    }
  }
}

function judgmentsOf(
  benchmark: Benchmark,
  request: JudgeRequest,
  answers: readonly BenchmarkAnswer[],
): EvaluationJudgment[] {
  return answers
    .filter(({ part }) => part === 'first')
    .map(({ id, vote, ...first }) => {
      const followUp = answers.find((answer) => answer.part === 'follow-up' && answer.vote === vote);
      const text = followUp === undefined ? first.text : `${first.text}\n${followUp.text}`;
      const verdict = benchmark.officialVerdict(text, request.prompt) ?? null;
      const { finishReason, reasoning, probabilities } = followUp ?? first;
      const reasoningField = reasoning === undefined ? {} : { reasoning };
      return {
        id,
        item: request.item,
        slot: request.slot,
        vote,
        text,
        ...reasoningField,
        verdict,
        finishReason,
        ...(probabilities === undefined ? {} : { probabilities }),
      };
    });
}

/** Some servers give log-probabilities without being asked; those are not kept. */
function probabilitiesField(
  { logprobs = [] }: Choice,
  requested: number | undefined,
): Pick<BenchmarkAnswer, 'probabilities'> {
  const probabilities = requested === undefined ? undefined : verdictProbabilities(logprobs);
  return probabilities === undefined ? {} : { probabilities };
}

function answerId(unit: string, vote: number): string {
  return `${unit}/${String(vote).padStart(4, '0')}`;
}
