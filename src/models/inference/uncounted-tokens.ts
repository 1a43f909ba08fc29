/** Estimates tokens that a server does not count, so that a budget can be kept. */
import type { ChatMessage } from '../../method/prompt-template.ts';
import type { ChatAnswer, TokenUsage } from './chat-answer.ts';

/** Tokens of texts in most languages and code have four bytes or more. */
const BYTES_PER_TOKEN = 3;

/** The tokens of an answer that its server did not count, from the bytes of the texts; 0 for what it did count. */
export function uncountedTokens(
  messages: readonly ChatMessage[],
  { choices, usage }: Pick<ChatAnswer, 'choices' | 'usage'>,
): TokenUsage {
  const written = choices.flatMap(({ text, reasoning = '' }) => [text, reasoning]);
  return {
    promptTokens: usage.promptTokens > 0 ? 0 : tokensOf(messages.map(({ content }) => content)),
    completionTokens: usage.completionTokens > 0 ? 0 : tokensOf(written),
  };
}

function tokensOf(texts: readonly string[]): number {
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
