/** Reads an answer to `POST /chat/completions`, and checks it, because any server may have sent it. */
import { z } from 'zod';

export interface Choice {
  text: string;
  /** `stop`, `length`, `content_filter`, ... as the endpoint returned it; `unknown` if it returned none. */
  finishReason: string;
}

export interface TokenUsage {
  promptTokens: number;
  completionTokens: number;
}

export interface ChatAnswer {
  choices: Choice[];
  usage: TokenUsage;
}

/** The answer is not a chat completion: HTML of a proxy, a truncated document, no choices. Another attempt may succeed. */
export class InvalidAnswer extends Error {}

/** The endpoint's content filter removed all samples of the answer. Another attempt would be filtered too. */
export class ContentFiltered extends Error {}

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

/** Returns the choices in the order of their index, which determines a sample's seed, and the tokens used. */
export function readChatAnswer(body: unknown): ChatAnswer {
  const parsed = answerSchema.safeParse(body);
  if (!parsed.success) throw new InvalidAnswer(`the answer is not a chat completion: ${describeBody(body)}`);
  const { choices, usage } = parsed.data;
  if (choices.length === 0) throw new InvalidAnswer('the answer has no choices');
  if (choices.every((choice) => choice.finish_reason === 'content_filter')) {
    throw new ContentFiltered('its content filter stopped every sample');
  }
  const inOrder = choices
    .map((choice, position) => ({ choice, index: choice.index ?? position }))
    .sort((left, right) => left.index - right.index);
  return {
    choices: inOrder.map(({ choice }) => ({
      // A truncated text may end with a lone surrogate, which tokenizers and the trainer reject.
      text: (choice.message.content ?? '').toWellFormed(),
      finishReason: choice.finish_reason ?? 'unknown',
    })),
    usage: { promptTokens: usage?.prompt_tokens ?? 0, completionTokens: usage?.completion_tokens ?? 0 },
  };
}

function describeBody(body: unknown): string {
  if (body === undefined || body === null || body === '') return 'it is empty';
  return typeof body === 'string' ? body : JSON.stringify(body);
}
