/** Reading an answer to `POST /chat/completions` that comes from a server nobody vouches for. */
import { z } from 'zod';

export interface Choice {
  text: string;
  /** `stop`, `length`, `content_filter`, ... as the endpoint said it; `unknown` where it didn't. */
  finishReason: string;
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
}

export interface ChatAnswer {
  choices: Choice[];
  usage: Usage;
}

/** The answer is no chat completion: HTML of a proxy, half a document, no choices. Another try may get a better one. */
export class UnusableAnswer extends Error {}

/** A content filter of the endpoint left no sample of the answer standing. Another try would meet the same filter. */
export class AnswerFiltered extends Error {}

const tokens = z.number().nonnegative().nullish();
const answerSchema = z.object({
  choices: z.array(
    z.object({
      index: z.number().nullish(),
      message: z.object({ content: z.string().nullish() }),
      finish_reason: z.string().nullish(),
    }),
  ),
  usage: z.object({ prompt_tokens: tokens, completion_tokens: tokens }).nullish(),
});

/** The choices in the order of their index (a sample's seed depends on it) and the tokens used. */
export function readChatAnswer(body: unknown): ChatAnswer {
  const parsed = answerSchema.safeParse(body);
  if (!parsed.success) throw new UnusableAnswer(`the answer is no chat completion: ${describe(body)}`);
  const { choices, usage } = parsed.data;
  if (choices.length === 0) throw new UnusableAnswer('the answer has no choices');
  if (choices.every((choice) => choice.finish_reason === 'content_filter')) {
    throw new AnswerFiltered('its content filter stopped every sample');
  }
  const inOrder = choices
    .map((choice, position) => ({ choice, index: choice.index ?? position }))
    .sort((left, right) => left.index - right.index);
  return {
    choices: inOrder.map(({ choice }) => ({
      // Half a character, as a cut in the wrong place leaves it, would stop tokenizers and trainer for good.
      text: (choice.message.content ?? '').toWellFormed(),
      finishReason: choice.finish_reason ?? 'unknown',
    })),
    usage: { promptTokens: usage?.prompt_tokens ?? 0, completionTokens: usage?.completion_tokens ?? 0 },
  };
}

function describe(body: unknown): string {
  if (body === undefined || body === null || body === '') return 'it is empty';
  return typeof body === 'string' ? body : JSON.stringify(body);
}
