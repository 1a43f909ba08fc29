import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { SetAside, WorkRecord } from '../artifacts/resume-shard.ts';
import type { ResponsePair } from '../judge/examples.ts';
import { renderPrompt } from '../judge/prompt-template.ts';
import { parseSimilarWithResponse } from '../judge/similar-with-response.ts';
import { hashOf, samplingSeed } from '../judge/seeds.ts';
import type { Dependencies } from './dependencies.ts';
import type { Instruction } from './prepare-pool.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { workOnShard } from './work-on-shard.ts';

/** A response pair as it stands in `pairs`, with the instruction x' that the worse response was written for. */
export interface GeneratedPair extends ResponsePair {
  readonly similarInstruction: string;
}

/** One answer of the generator: y_w; x' (and y_l, in one call); y_l. */
interface Step extends WorkRecord {
  readonly step: 'better' | 'similar' | 'worse';
  readonly text: string;
  readonly finishReason: string;
}

/**
 * Makes response pairs whose better side is known by construction (method, step 2): y_w answers the instruction x; y_l
 * answers a similar instruction x'. One call writes x' and y_l both, as in the paper, or two calls, for a small model.
 */
export function generatePairs(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<Instruction, Instruction, Step, GeneratedPair>(
    deps,
    'generatePairs',
    input,
    ({ configuration: { seed, pairs }, prompts }) => ({
      meaning: {
        stage: 'generate-pairs',
        calls: pairs.calls,
        respondPrompt: hashOf(canonicalJson(prompts.respond)),
        similarPrompt: hashOf(canonicalJson(prompts.similar)),
        responseSampling: pairs.responseSampling,
        similarSampling: pairs.similarSampling,
      },
      units: (instructions) => instructions,
      work: async ({ id, instruction }, existing, emit, ask) => {
        const answer = async (
          step: Step['step'],
          messages: Parameters<typeof ask>[0]['messages'],
        ): Promise<string> => {
          const there = existing.find((record) => record.step === step);
          if (there !== undefined) return there.text;
          const { choices, usage } = await ask({
            messages,
            sampling: step === 'similar' ? pairs.similarSampling : pairs.responseSampling,
            samples: 1,
            seed: samplingSeed(seed, 'generate', step, id),
          });
          const { text = '', finishReason = 'stop' } = choices[0] ?? {};
          emit({ id: `${id}/${step}`, unit: id, step, text, finishReason, usage });
          return text;
        };
        const better = answer('better', renderPrompt(prompts.respond, { instruction }));
        if (pairs.calls === 'one') {
          await answer('similar', renderPrompt(prompts.similar, { instruction, response: await better }));
          return;
        }
        const similar = answer('similar', renderPrompt(prompts.similar, { instruction }));
        // When one fails, the other is waited for: its answer is paid for.
        await Promise.allSettled([better, similar]);
        await better;
        const similarInstruction = await similar;
        if (similarInstruction.trim() === '') return;
        await answer('worse', renderPrompt(prompts.respond, { instruction: similarInstruction }));
      },
      assemble: (instruction, steps) => assemblePair(instruction, steps, pairs.calls),
      count: (made) => ({ pairs: made.length }),
    }),
  );
}

/** The pair that the answers make, or why they make none: a pair that shows no difference teaches nothing. */
function assemblePair(
  { id, instruction }: Instruction,
  steps: readonly Step[],
  calls: 'one' | 'two',
): GeneratedPair[] | SetAside {
  const dropped = (reason: string): SetAside => ({ id, kind: 'dropped', reason });
  const text = (step: Step['step']) => steps.find((record) => record.step === step)?.text.trim() ?? '';
  if (steps.some(({ finishReason }) => finishReason !== 'stop')) return dropped('truncated');
  const better = text('better');
  const similar = calls === 'one' ? parseSimilarWithResponse(text('similar')) : undefined;
  if (calls === 'one' && similar === undefined) return dropped('similar instruction not in the asked format');
  const similarInstruction = similar?.instruction ?? text('similar');
  const worse = similar?.response ?? text('worse');
  if (better === '' || worse === '' || similarInstruction === '') return dropped('empty');
  if (similarInstruction === instruction.trim()) return dropped('similar instruction equals the instruction');
  if (better === worse) return dropped('equal responses');
  return [{ id, instruction, better, worse, similarInstruction }];
}
