/** The parameters of a chat completion that a server takes, and what to change if it refuses one. */
import type { CompletionRequest } from './completion.ts';
import type { HttpFailure } from './http-failure.ts';

/**
 * A parameter that a server may refuse although the request can do without it: `n` (samples are asked for one by one), `seed`,
 * `logprobs` (with `top_logprobs`) and `stream: false` are left out, and so are `top_p` and `temperature` at their default of 1; `max_tokens` is called
 * `max_completion_tokens` instead.
 */
export const OPTIONAL_PARAMETERS = [
  'n',
  'seed',
  'max_tokens',
  'top_p',
  'temperature',
  'stream',
  'logprobs',
] as const;
export type OptionalParameter = (typeof OPTIONAL_PARAMETERS)[number];

/** The parameters that a server is known to refuse. */
export type RequestForm = ReadonlySet<OptionalParameter>;

type Sampled = Pick<CompletionRequest, 'messages' | 'sampling' | 'samples' | 'seed' | 'topLogprobs'>;

/** The body of a request in the form that a server takes. */
export function chatBody(model: string, request: Sampled, refused: RequestForm) {
  const { messages, samples, seed, topLogprobs } = request;
  const { temperature, topP, maxTokens } = request.sampling;
  return {
    model,
    messages,
    ...(temperature === 1 && refused.has('temperature') ? {} : { temperature }),
    // Greedy decoding has no use for it. A server may have another default than 1 for other temperatures.
    ...(topP === 1 && (temperature === 0 || refused.has('top_p')) ? {} : { top_p: topP }),
    ...(refused.has('max_tokens') ? { max_completion_tokens: maxTokens } : { max_tokens: maxTokens }),
    ...(samples === 1 || refused.has('n') ? {} : { n: samples }),
    ...(seed === undefined || refused.has('seed') ? {} : { seed }),
    ...(refused.has('stream') ? {} : { stream: false }),
    ...(topLogprobs === undefined || refused.has('logprobs')
      ? {}
      : { logprobs: true, top_logprobs: topLogprobs }),
  };
}
export type ChatBody = ReturnType<typeof chatBody>;

/** Identifies the form of a request: which parameters it has, and the values that a server may refuse. */
export function formKey({ messages: _messages, model: _model, seed, ...parameters }: ChatBody): string {
  return JSON.stringify({ ...parameters, seed: seed !== undefined });
}

/** The parameters of a body that can be changed. */
export function changeableParameters(body: ChatBody): OptionalParameter[] {
  return OPTIONAL_PARAMETERS.filter(
    (name) => name in body && ((name !== 'top_p' && name !== 'temperature') || body[name] === 1),
  );
}

const MENTIONS: Readonly<Record<OptionalParameter, RegExp>> = {
  n: /['"`]n['"`]|\b(body\.|param(eter)?:? |field:? |argument:? )n\b|\bn ?(>|=|must|has to|is not|should)|only one (completion|choice)|(multiple|more than one|number of) (completion|choice|candidate|generation|sample)|candidate_?count|single (completion|choice|sample)/i,
  seed: /\bseed\b/i,
  max_tokens: /\bmax_tokens\b/i,
  top_p: /\btop[_ ]?p\b/i,
  temperature: /\btemperature\b/i,
  stream: /\bstream(ing)?\b/i,
  logprobs: /\b(top_)?log_?probs?\b/i,
};

/** The refusal of a value, not of a name. A server that ignores the other name would then write without a limit. */
const REFUSED_VALUE =
  /too (large|high|long|small|low)|exceed|at (most|least)|greater|less|larger|maximum|minimum|finish/i;

/** Whether a refusal may be one of the name `max_tokens`. */
export function mayRefuseName({ words }: HttpFailure): boolean {
  return !REFUSED_VALUE.test(words) || words.includes('max_completion_tokens');
}

/** The parameters of a body that a refusal names, those first that it names first. */
export function namedParameters({ words, param }: HttpFailure, body: ChatBody): OptionalParameter[] {
  const place = (name: OptionalParameter) => {
    if (param === name || param?.endsWith(`.${name}`) === true) return -1;
    const { index } = MENTIONS[name].exec(words) ?? {};
    return index ?? Infinity;
  };
  return OPTIONAL_PARAMETERS.filter((name) => name in body && place(name) < Infinity).sort(
    (one, other) => place(one) - place(other),
  );
}

/** A sentence for people about a parameter that a server refuses, without the server's name. */
export const REFUSAL_NOTICES: Readonly<Record<OptionalParameter, string>> = {
  n: 'takes no n: several samples of a request are asked for one by one',
  seed: 'takes no seed: it is not sent, and the same samples can not be drawn again',
  max_tokens: 'takes max_completion_tokens instead of max_tokens',
  top_p: 'takes no top_p of 1: it is not sent, and the default of the server holds',
  temperature: 'takes no temperature of 1: it is not sent, and the default of the server holds',
  stream: 'takes no "stream": false: it is not sent',
  logprobs: 'takes no logprobs: they are not asked for, and how sure the judge is can not be told',
};
