/** The error for a failure that another attempt can't fix, with advice on what to do about it. */
import { quote } from '../../platform/quotes.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { apiKeyAdvice, type Endpoint, redactUrl } from './endpoint.ts';
import {
  AuthenticationFailed,
  EndpointUnsuitable,
  type InferenceError,
  ModelNotFound,
  RequestRejected,
} from './errors.ts';
import type { Failure } from './classify-failure.ts';

/** How many seconds to wait for the list of models, which the message about a wrong name quotes. */
export const MODEL_LIST_TIMEOUT_SECONDS = 10;

/**
 * @param said the endpoint's message, without the key
 * @param listModels the models of the endpoint, for the message about a name that it doesn't know
 */
export async function permanentError(
  endpoint: Endpoint,
  failure: Exclude<Failure, { kind: 'retry' }>,
  said: string,
  listModels: () => Promise<string[]>,
): Promise<InferenceError> {
  const text = withoutPeriod(said);
  const url = redactUrl(endpoint.baseUrl);
  const details = { endpoint: url, status: failure.status, requestId: failure.requestId };
  switch (failure.kind) {
    case 'unsuitable':
      return new EndpointUnsuitable(
        `${url} can't be used for the model ${endpoint.model} as it is configured: ${text}. ${failure.advice}`,
        details,
      );
    case 'forbidden':
    case 'unauthorized':
      return new AuthenticationFailed(
        `${url} doesn't accept the key: ${text}. ${apiKeyAdvice(endpoint)}`,
        details,
      );
    case 'model-not-found': {
      const available = await listModels().catch(() => undefined);
      return new ModelNotFound(`${url} ${notFoundText(endpoint.model, text, available)}`, {
        ...details,
        available,
      });
    }
    case 'rejected': {
      const { reason } = failure;
      return new RequestRejected(`${url} refuses this request to ${endpoint.model} (${reason}): ${text}`, {
        ...details,
        reason,
      });
    }
  }
}

const CHECK_BASE_URL = "check that the base URL ends in the API's base path, usually /v1";

function notFoundText(model: string, text: string, available: readonly string[] | undefined): string {
  if (available?.includes(model) === true)
    return `lists the model ${model}, but does not serve it at /chat/completions: ${text}. Use a model for chats, and ${CHECK_BASE_URL}.`;
  const advice =
    available === undefined
      ? `It doesn't list its models either: ${CHECK_BASE_URL}.`
      : `It has ${listModelNames(available)}.`;
  return `doesn't serve the model ${model}: ${text}. ${advice}`;
}

/** The endpoint's message as the beginning of a longer text. */
export function withoutPeriod(text: string): string {
  return text.replace(/\.\s*$/, '');
}

function listModelNames(models: readonly string[]): string {
  if (models.length === 0) return 'no models at all';
  // Anything but a name may be a text that the endpoint has from elsewhere.
  const names = models.map((name) => (/^[\w.:/@+-]{1,120}$/.test(name) ? name : quote(oneLine(name))));
  return names.length > 20
    ? `${names.slice(0, 20).join(', ')} and ${names.length - 20} more`
    : names.join(', ');
}
