import type { StageName } from '../api/stages.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { SkippedRecord, ShardRecord } from '../store/shard-types.ts';
import { requireGeneration, type Generation } from '../config/pair-source.ts';
import { marksFingerprintInputs, reasoningMarksOf } from '../config/reasoning.ts';
import { lastTurnOf, type LastTurn } from '../method/conversation.ts';
import { pairProblem } from '../method/pair-problem.ts';
import { answerOf, type ReasoningMarks, SPENT_ON_REASONING, splitReasoning } from '../method/reasoning.ts';
import { renderInConversation, type PromptTemplate } from '../method/prompt-template.ts';
import { isRefusal } from '../method/refusal.ts';
import { parseSimilarWithResponse } from '../method/parse-similar-with-response.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { samplingSeed } from '../method/seeds.ts';
import type { Dependencies } from './dependencies.ts';
import { isLimited } from '../datasets/limited-pairs.ts';
import { limitedPairMaker, limitsFingerprintInputs } from '../runs/limited-pairs.ts';
import { openRun, type ResolvedConfiguration } from '../runs/open-run.ts';
import type { Prompts } from '../runs/prompts.ts';
import type { PoolInstruction } from './prepare-pool.ts';
import type { ShardInput, ShardResult } from '../api/activity-types.ts';
import { processShard } from './process-shard.ts';
import type { GeneratedPair } from '../runs/records.ts';

/** One answer of the generator: y_w; x', with y_l if one call writes both; or y_l. */
interface GenerationStep extends ShardRecord {
  readonly step: 'better' | 'similar' | 'worse';
  readonly text: string;
  /** The reasoning that the server returned apart from the text. */
  readonly reasoning?: string;
  readonly finishReason: string;
}

/** The answer to one step, without the reasoning before it. */
interface StepAnswer extends Pick<GenerationStep, 'step' | 'finishReason'> {
  readonly answer: string;
}

/** Requests one step, with a prompt in place of the last turn of the conversation. */
type AskStep = (
  step: GenerationStep['step'],
  prompt: PromptTemplate,
  values: Readonly<Record<string, string>>,
) => Promise<StepAnswer>;

/**
 * Makes response pairs whose better side is known by construction (method, step 2): y_w answers the instruction x, and
 * y_l answers a similar instruction x'. Either one call writes both x' and y_l, as in the paper, or two calls do, for
 * small models. In the paper's ablation, the model is prompted for a worse response to x itself.
 *
 * If the instruction is a conversation, x is its last turn, sent after the earlier turns as a chat, and x' is another
 * last turn of the same conversation. The pair contains the whole conversation as text.
 */
export function generatePairs(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return processShard<ResolvedConfiguration, PoolInstruction, PoolInstruction, GenerationStep, GeneratedPair>(
    deps,
    'generatePairs',
    input,
    openRun,
    (resolved) => {
      const { seed } = resolved.configuration;
      const { pairs } = requireGeneration(resolved.configuration);
      const construct = constructionOf(pairs, resolved.prompts);
      const marks = reasoningMarksOf(resolved.configuration);
      const withLimits = limitedPairMaker(resolved);
      return {
        fingerprintInputs: pairGenerationFingerprintInputs(resolved),
        units: (instructions) => instructions,
        work: ({ id, ...item }, existing, emit, ask) =>
          construct(lastTurnOf(item), async (step, prompt, values) => {
            const existingStep = existing.find((record) => record.step === step);
            if (existingStep !== undefined) return stepAnswer(existingStep, marks);
            const { choices, usage } = await ask({
              messages: renderInConversation(prompt, values, lastTurnOf(item).earlier),
              sampling: step === 'similar' ? pairs.similarSampling : pairs.responseSampling,
              samples: 1,
              seed: samplingSeed(seed, 'generate', step, id),
            });
            const { text = '', reasoning, finishReason = 'stop' } = choices[0] ?? {};
            const record: GenerationStep = {
              id: `${id}/${step}`,
              unit: id,
              step,
              text,
              ...(reasoning === undefined ? {} : { reasoning }),
              finishReason,
              usage,
            };
            emit(record);
            return stepAnswer(record, marks);
          }),
        assembleResults(instruction, steps) {
          const assembled = assemblePair(instruction, steps, pairs, marks);
          return Array.isArray(assembled) ? assembled.flatMap(withLimits) : assembled;
        },
        countResults(results) {
          const limited = results.filter(isLimited).length;
          return { pairs: results.length, ...(limited === 0 ? {} : { 'with a limit': limited }) };
        },
      };
    },
  );
}

/** The fingerprint inputs of the pairs of a shard. */
export function pairGenerationFingerprintInputs({
  configuration,
  prompts,
}: ResolvedConfiguration): Fingerprint {
  const { pairs } = requireGeneration(configuration);
  return {
    stage: 'generatePairs' satisfies StageName,
    construction: pairs.construction,
    refusals: pairs.refusals,
    responseSampling: pairs.responseSampling,
    respondPrompt: stableHash(canonicalJson(prompts.respond)),
    ...marksFingerprintInputs(configuration),
    ...limitsFingerprintInputs(pairs, prompts, configuration.seed),
    ...(pairs.construction === 'similar-instruction'
      ? {
          calls: pairs.calls,
          similarPrompt: stableHash(canonicalJson(prompts.similar)),
          similarSampling: pairs.similarSampling,
        }
      : { worsePrompt: stableHash(canonicalJson(prompts.worse)) }),
  };
}

/** The sequence of requests for one instruction. It ends as soon as no pair can result. */
function constructionOf(pairs: Generation['pairs'], prompts: Prompts) {
  const respond = requirePrompt(prompts.respond, 'respondPrompt');
  const leadsNowhere = ({ step, answer, finishReason }: StepAnswer) =>
    finishReason !== 'stop' || answer.trim() === '' || (pairs.refusals === 'drop' && refuses(step, answer));

  const withWorseResponse =
    (prompt: PromptTemplate) =>
    async ({ instruction }: LastTurn, ask: AskStep) => {
      const better = await ask('better', respond, { instruction });
      if (leadsNowhere(better)) return;
      await ask('worse', prompt, { instruction, response: better.answer });
    };
  const inOneCall =
    (prompt: PromptTemplate) =>
    async ({ instruction }: LastTurn, ask: AskStep) => {
      const better = await ask('better', respond, { instruction });
      if (leadsNowhere(better)) return;
      await ask('similar', prompt, { instruction, response: better.answer });
    };
  const inTwoCalls =
    (prompt: PromptTemplate) =>
    async ({ instruction }: LastTurn, ask: AskStep) => {
      const requests = [
        ask('better', respond, { instruction }),
        ask('similar', prompt, { instruction }),
      ] as const;
      // If one request fails, the other one is still awaited, because its answer is paid for.
      await Promise.allSettled(requests);
      const [better, similar] = await Promise.all(requests);
      if (leadsNowhere(better) || leadsNowhere(similar)) return;
      await ask('worse', respond, { instruction: similar.answer });
    };

  if (pairs.construction === 'worse-response')
    return withWorseResponse(requirePrompt(prompts.worse, 'worsePrompt'));
  const similar = requirePrompt(prompts.similar, 'similarPrompt');
  return pairs.calls === 'one' ? inOneCall(similar) : inTwoCalls(similar);
}

function requirePrompt(prompt: PromptTemplate | null, field: string): PromptTemplate {
  if (prompt === null) throw new InvalidInput(`pairs.${field} is not set`);
  return prompt;
}

function refuses(step: GenerationStep['step'], text: string): boolean {
  return isRefusal(text, step === 'similar' ? 'instruction' : 'response');
}

function stepAnswer(
  { step, finishReason, ...text }: GenerationStep,
  marks: readonly ReasoningMarks[],
): StepAnswer {
  return { step, finishReason, answer: answerOf(text, marks) };
}

/** Returns whether a model has thought, but not answered. */
function isOnlyReasoning(step: GenerationStep, marks: readonly ReasoningMarks[]): boolean {
  const { reasoning = '', answer = '' } = splitReasoning(step, marks);
  return reasoning.trim() !== '' && answer.trim() === '';
}

/** The pair that the answers make, or the reason why they make none. */
function assemblePair(
  { id, ...item }: PoolInstruction,
  steps: readonly GenerationStep[],
  { construction, calls, refusals }: Generation['pairs'],
  marks: readonly ReasoningMarks[],
): GeneratedPair[] | SkippedRecord {
  const { instruction } = item;
  const dropped = (reason: string): SkippedRecord => ({ id, kind: 'dropped', reason });
  const text = (step: GenerationStep['step']) => {
    const record = steps.find((each) => each.step === step);
    return record === undefined ? undefined : answerOf(record, marks).trim();
  };
  const unfinished = steps.find(({ finishReason }) => finishReason !== 'stop');
  if (unfinished !== undefined)
    return dropped(isOnlyReasoning(unfinished, marks) ? SPENT_ON_REASONING : 'truncated');
  if (steps.some((step) => isOnlyReasoning(step, marks))) return dropped('reasoning without an answer');
  const better = text('better') ?? '';
  const similar = text('similar');
  const inOne = similar === undefined || calls === 'two' ? undefined : parseSimilarWithResponse(similar);
  // A step that was not requested is missing for the reason that the earlier answers give.
  const worse = inOne?.response ?? text('worse') ?? '';
  const pair =
    construction === 'worse-response'
      ? { instruction, better, worse }
      : { instruction, better, worse, similarInstruction: inOne?.instruction ?? similar ?? '' };
  if (refusals === 'drop' && (refuses('better', better) || refuses('similar', similar ?? '')))
    return dropped('refusal');
  if (similar !== undefined && calls === 'one' && inOne === undefined)
    return dropped('similar instruction not in the requested format');
  const problem = pairProblem({ ...pair, instruction: lastTurnOf(item).instruction }, refusals);
  return problem === undefined ? [{ id, ...pair }] : dropped(problem);
}
