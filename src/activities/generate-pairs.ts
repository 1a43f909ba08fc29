import { canonicalJson } from '../artifacts/canonical-json.ts';
import { InputProblem } from '../artifacts/errors.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import type { SetAside, WorkRecord } from '../artifacts/resume-shard.ts';
import { generationOf, type Generation } from '../config/pair-source.ts';
import { lastTurnOf, type LastTurn } from '../judge/conversation.ts';
import type { ResponsePair } from '../judge/examples.ts';
import { pairProblem } from '../judge/pair-problem.ts';
import { renderInConversation, type PromptTemplate } from '../judge/prompt-template.ts';
import { isRefusal } from '../judge/refusal.ts';
import { parseSimilarWithResponse } from '../judge/similar-with-response.ts';
import { hashOf, samplingSeed } from '../judge/seeds.ts';
import type { Dependencies } from './dependencies.ts';
import type { Prompts, ResolvedConfiguration } from './open-run.ts';
import type { Instruction } from './prepare-pool.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { workOnShard } from './work-on-shard.ts';

/** A response pair as it stands in `pairs`. */
export interface GeneratedPair extends ResponsePair {
  /** x', the instruction that the worse response was written for; absent where a worse response was asked for. */
  readonly similarInstruction?: string;
}

/** One answer of the generator: y_w; x' (and y_l, in one call); y_l. */
interface Step extends WorkRecord {
  readonly step: 'better' | 'similar' | 'worse';
  readonly text: string;
  readonly finishReason: string;
}

/** Asks for a step with a prompt in the place of the conversation's last turn. */
type Asks = (
  step: Step['step'],
  prompt: PromptTemplate,
  values: Readonly<Record<string, string>>,
) => Promise<Step>;

/**
 * Makes response pairs whose better side is known by construction (method, step 2): y_w answers the instruction x; y_l
 * answers a similar instruction x'. One call writes x' and y_l both, as in the paper, or two calls, for a small model.
 * The paper's ablation asks for a worse response to x itself.
 *
 * Of a conversation x is the last turn, asked with the turns before it as a chat: x' is another last turn of the same
 * conversation. The pair shows the whole of it as text.
 */
export function generatePairs(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<Instruction, Instruction, Step, GeneratedPair>(
    deps,
    'generatePairs',
    input,
    (resolved) => {
      const { seed } = resolved.configuration;
      const { pairs } = generationOf(resolved.configuration);
      const construct = constructionOf(pairs, resolved.prompts);
      return {
        meaning: generatingMeaning(resolved),
        units: (instructions) => instructions,
        work: ({ id, ...asked }, existing, emit, ask) =>
          construct(lastTurnOf(asked), async (step, prompt, values) => {
            const there = existing.find((record) => record.step === step);
            if (there !== undefined) return there;
            const { choices, usage } = await ask({
              messages: renderInConversation(prompt, values, lastTurnOf(asked).earlier),
              sampling: step === 'similar' ? pairs.similarSampling : pairs.responseSampling,
              samples: 1,
              seed: samplingSeed(seed, 'generate', step, id),
            });
            const { text = '', finishReason = 'stop' } = choices[0] ?? {};
            const made: Step = { id: `${id}/${step}`, unit: id, step, text, finishReason, usage };
            emit(made);
            return made;
          }),
        assemble: (instruction, steps) => assemblePair(instruction, steps, pairs),
        count: (made) => ({ pairs: made.length }),
      };
    },
  );
}

/** What the pairs of a shard follow from. */
export function generatingMeaning({ configuration, prompts }: ResolvedConfiguration): Fingerprint {
  const { pairs } = generationOf(configuration);
  return {
    stage: 'generate-pairs',
    construction: pairs.construction,
    refusals: pairs.refusals,
    responseSampling: pairs.responseSampling,
    respondPrompt: hashOf(canonicalJson(prompts.respond)),
    ...(pairs.construction === 'similar-instruction'
      ? {
          calls: pairs.calls,
          similarPrompt: hashOf(canonicalJson(prompts.similar)),
          similarSampling: pairs.similarSampling,
        }
      : { worsePrompt: hashOf(canonicalJson(prompts.worse)) }),
  };
}

/** How the answers for an instruction are asked for, one after the other; nothing is asked for that no pair can come of. */
function constructionOf(pairs: Generation['pairs'], prompts: Prompts) {
  const respond = given(prompts.respond, 'respondPrompt');
  const leadsNowhere = ({ step, text, finishReason }: Step) =>
    finishReason !== 'stop' || text.trim() === '' || (pairs.refusals === 'drop' && refuses(step, text));

  const withWorseResponse =
    (prompt: PromptTemplate) =>
    async ({ instruction }: LastTurn, ask: Asks) => {
      const better = await ask('better', respond, { instruction });
      if (leadsNowhere(better)) return;
      await ask('worse', prompt, { instruction, response: better.text });
    };
  const inOneCall =
    (prompt: PromptTemplate) =>
    async ({ instruction }: LastTurn, ask: Asks) => {
      const better = await ask('better', respond, { instruction });
      if (leadsNowhere(better)) return;
      await ask('similar', prompt, { instruction, response: better.text });
    };
  const inTwoCalls =
    (prompt: PromptTemplate) =>
    async ({ instruction }: LastTurn, ask: Asks) => {
      const both = [
        ask('better', respond, { instruction }),
        ask('similar', prompt, { instruction }),
      ] as const;
      // When one fails, the other is waited for: its answer is paid for.
      await Promise.allSettled(both);
      const [better, similar] = await Promise.all(both);
      if (leadsNowhere(better) || leadsNowhere(similar)) return;
      await ask('worse', respond, { instruction: similar.text });
    };

  if (pairs.construction === 'worse-response') return withWorseResponse(given(prompts.worse, 'worsePrompt'));
  const similar = given(prompts.similar, 'similarPrompt');
  return pairs.calls === 'one' ? inOneCall(similar) : inTwoCalls(similar);
}

function given(prompt: PromptTemplate | null, field: string): PromptTemplate {
  if (prompt === null) throw new InputProblem(`pairs.${field} is not set`);
  return prompt;
}

function refuses(step: Step['step'], text: string): boolean {
  return isRefusal(text, step === 'similar' ? 'instruction' : 'response');
}

/** The pair that the answers make, or why they make none. */
function assemblePair(
  { id, ...asked }: Instruction,
  steps: readonly Step[],
  { construction, calls, refusals }: Generation['pairs'],
): GeneratedPair[] | SetAside {
  const { instruction } = asked;
  const dropped = (reason: string): SetAside => ({ id, kind: 'dropped', reason });
  const text = (step: Step['step']) => steps.find((record) => record.step === step)?.text.trim();
  if (steps.some(({ finishReason }) => finishReason !== 'stop')) return dropped('truncated');
  const better = text('better') ?? '';
  const similar = text('similar');
  const inOne = similar === undefined || calls === 'two' ? undefined : parseSimilarWithResponse(similar);
  // An answer that was never asked for lacks for the reason that the others give.
  const worse = inOne?.response ?? text('worse') ?? '';
  const pair =
    construction === 'worse-response'
      ? { instruction, better, worse }
      : { instruction, better, worse, similarInstruction: inOne?.instruction ?? similar ?? '' };
  if (refusals === 'drop' && (refuses('better', better) || refuses('similar', similar ?? '')))
    return dropped('refusal');
  if (similar !== undefined && calls === 'one' && inOne === undefined)
    return dropped('similar instruction not in the asked format');
  const problem = pairProblem({ ...pair, instruction: lastTurnOf(asked).instruction }, refusals);
  return problem === undefined ? [{ id, ...pair }] : dropped(problem);
}
