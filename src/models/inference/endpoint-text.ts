import { quote } from '../../platform/quotes.ts';
import type { Failure } from './classify-failure.ts';
import { type Endpoint, redactText, redactUrl } from './endpoint.ts';
import { HttpFailure, ParameterRefused } from './http-failure.ts';

/**
 * The text of a failure for a message: the endpoint's own words as far as they may be quoted. Those of this program and of
 * the system are no secret.
 * @param messages of the request
 */
export function endpointText(
  error: unknown,
  { message }: Failure,
  { baseUrl, model }: Endpoint,
  messages: readonly { readonly content: string }[],
): string {
  if (!(error instanceof HttpFailure || error instanceof ParameterRefused)) return redactText(message);
  const by = redactUrl(baseUrl);
  return redactText(
    quote(message.replaceAll(/\s+/g, ' '), {
      by,
      known: [by, model],
      sent: messages.map(({ content }) => content),
    }),
  );
}
