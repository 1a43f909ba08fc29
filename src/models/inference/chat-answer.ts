/** Reads an answer to `POST /chat/completions`, and checks it, because any server may have sent it. */
import { z } from 'zod';
import type { TokenLogprob } from '../../method/verdict-probability.ts';
import { maskSecrets } from '../../platform/secrets.ts';
import { describeAnswer } from './describe-answer.ts';
import { type FinishReason, readFinishReason } from './finish-reason.ts';
import { failureInAnswer } from './http-failure.ts';
import { isObject, type JsonObject } from '../../platform/is-object.ts';

export interface Choice {
  text: string;
  /** The reasoning that the server returned apart from the text; absent if there was none. */
  reasoning?: string;
  finishReason: FinishReason;
  /** Absent unless it was asked for, and if the server does not give it. */
  logprobs?: readonly TokenLogprob[];
}

export interface TokenUsage {
  promptTokens: number;
  completionTokens: number;
}

export interface ChatAnswer {
  choices: Choice[];
  /** 0 for what the server did not count. */
  usage: TokenUsage;
}

/** The answer is not a chat completion: HTML of a proxy, a truncated document, no choices. Another attempt may succeed. */
export class InvalidAnswer extends Error {
  /** The words of the answer, which the message does not quote. */
  readonly unquoted: string | undefined;

  constructor(message: string, unquoted?: string) {
    super(message);
    this.unquoted = unquoted;
  }
}

/** The endpoint's content filter removed all samples of the answer. Another attempt would be filtered too. */
export class ContentFiltered extends Error {}

/**
 * Returns the choices in the order of their index, which determines a sample's seed, and the tokens used. Only the text of
 * each choice is needed; anything else may be missing or of any type.
 * @throws InvalidAnswer, ContentFiltered; HttpFailure for an error in the answer
 */
export function readChatAnswer(body: unknown): ChatAnswer {
  if (isObject(body) && isError(body.error)) throw failureInAnswer(body);
  const choices = isObject(body) ? body.choices : undefined;
  if (!isObject(body) || !Array.isArray(choices)) throw invalid('the answer is not a chat completion', body);
  if (choices.length === 0) throw new InvalidAnswer('the answer has no choices');
  const read = inOrder(choices).map((choice) => readChoice(choice, body));
  if (read.every(({ finishReason }) => finishReason === 'content_filter'))
    throw new ContentFiltered('its content filter stopped every sample');
  return { choices: read, usage: readUsage(body.usage) };
}

function readChoice(choice: unknown, body: JsonObject): Choice {
  if (!isObject(choice)) throw invalid('a choice is not an object', body);
  const finishReason = readFinishReason(choice.finish_reason ?? choice.native_finish_reason);
  if (isError(choice.error)) throw failureInAnswer(choice);
  if (finishReason === 'failed') throw invalid('the endpoint broke off', choice);
  const message = isObject(choice.message) ? choice.message : {};
  const { text, thoughts } = readContent(message.content ?? choice.text);
  if (text === undefined && choice.message === undefined && finishReason !== 'content_filter')
    throw invalid('a choice has no message', body);
  const refusal = typeof message.refusal === 'string' ? message.refusal : '';
  const reasoning = readReasoning(message) || thoughts;
  const logprobs = readLogprobs(choice.logprobs);
  return {
    text: storable(text || refusal),
    ...(reasoning === '' ? {} : { reasoning: storable(reasoning) }),
    finishReason,
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}

const tokenLogprobSchema = z.object({ token: z.string(), logprob: z.number() });
const logprobsSchema = z.object({
  content: z.array(
    tokenLogprobSchema
      .extend({ top_logprobs: z.array(tokenLogprobSchema).nullish() })
      .transform(({ top_logprobs: top, ...own }): TokenLogprob => ({ ...own, top: top ?? [] })),
  ),
});

/** Log-probabilities in OpenAI's form; those in another count as not given. */
function readLogprobs(found: unknown): readonly TokenLogprob[] | undefined {
  const read = logprobsSchema.safeParse(found);
  return read.success ? read.data.content : undefined;
}

/**
 * A truncated text may end with a lone surrogate, which tokenizers and the trainer reject. An endpoint that echoes its key must
 * not bring it into the records, and from there into training data, report and exports.
 */
function storable(text: string): string {
  return maskSecrets(text.toWellFormed());
}

/** The choices by their index, if each has its own; else as they came. */
function inOrder(choices: readonly unknown[]): readonly unknown[] {
  const indices = choices.map((choice) => (isObject(choice) ? choice.index : undefined));
  const isUsable = indices.every(Number.isSafeInteger) && new Set(indices).size === choices.length;
  return isUsable ? choices.toSorted((left, right) => indexOf(left) - indexOf(right)) : choices;
}

function indexOf(choice: unknown): number {
  return (choice as { readonly index: number }).index;
}

/** Reads a content that is a text, or a list of parts: texts, and thoughts between them. */
function readContent(content: unknown): { text: string | undefined; thoughts: string } {
  if (content === undefined || content === null) return { text: undefined, thoughts: '' };
  if (typeof content === 'string') return { text: content, thoughts: '' };
  const parts = [content].flat();
  if (!parts.every((part) => typeof part === 'string' || isObject(part)))
    throw invalid('the content of a choice is neither a text nor a list of parts', content);
  return {
    text: parts
      .filter((part) => !isThought(part))
      .map(partText)
      .join(''),
    thoughts: parts.filter(isThought).map(partText).join(''),
  };
}

/** The reasoning fields of the servers, in the order in which they are looked for. */
const REASONING_FIELDS = [
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'thinking',
  'thinking_blocks',
];

function readReasoning(message: JsonObject): string {
  return REASONING_FIELDS.map((field) => partText(message[field])).find((text) => text !== '') ?? '';
}

function isThought(part: unknown): boolean {
  return isObject(part) && typeof part.type === 'string' && /think|reason|thought/.test(part.type);
}

/** The text of a part, in whichever field it is; a list is joined. */
function partText(part: unknown): string {
  if (typeof part === 'string') return part;
  if (Array.isArray(part)) return part.map(partText).join('');
  if (!isObject(part)) return '';
  const { text, content, value, thinking, reasoning, summary, refusal } = part;
  return partText(text ?? content ?? value ?? thinking ?? reasoning ?? summary ?? refusal);
}

/** Reads what is a number, or a text that is one; anything else counts as not said. */
function readUsage(usage: unknown): TokenUsage {
  const fields = isObject(usage) ? usage : {};
  return {
    promptTokens: readCount(fields.prompt_tokens ?? fields.input_tokens) ?? 0,
    completionTokens: readCount(fields.completion_tokens ?? fields.output_tokens) ?? 0,
  };
}

function readCount(value: unknown): number | undefined {
  const count = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : undefined;
}

/** Some servers send an error without content with each good answer. */
function isError(error: unknown): boolean {
  return typeof error === 'string' ? error !== '' : isObject(error) && Object.values(error).some(Boolean);
}

function invalid(what: string, found: unknown): InvalidAnswer {
  const text = found === undefined || found === null ? '' : JSON.stringify(found);
  return new InvalidAnswer(`${what}: ${describeAnswer(text)}`, text);
}
