import type { Choice } from './chat-answer.ts';
import { type Endpoint, redactUrl } from './endpoint.ts';
import { EndpointUnsuitable } from './errors.ts';

/** The number of most likely tokens to ask for, so that the other letter is among them: no server allows fewer. */
export const TOP_LOGPROBS = 5;

/**
 * Checks that an answer to a request for log-probabilities has them: a server that ignores the parameters would otherwise go
 * unnoticed.
 * @param without what a person can do without them, as the beginning of a sentence
 * @throws EndpointUnsuitable
 */
export function requireLogprobs(
  { baseUrl, model }: Pick<Endpoint, 'baseUrl' | 'model'>,
  choices: readonly Choice[],
  without: string,
): void {
  const lacks = ({ text, logprobs = [] }: Choice) =>
    text !== '' && !logprobs.some(({ top }) => top.length > 0);
  if (!choices.some(lacks)) return;
  const endpoint = redactUrl(baseUrl);
  throw new EndpointUnsuitable(
    `${endpoint} gives no log-probabilities of the tokens of ${model} (logprobs and top_logprobs), so how sure of a verdict it is ` +
      `can not be told. ${without}, or serve the model by a server that gives them, such as vLLM.`,
    { endpoint },
  );
}
