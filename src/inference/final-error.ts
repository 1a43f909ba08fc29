/** The error that a caller gets for a failure that another attempt can't mend: with what to do about it. */
import { type Endpoint, shownUrl } from './endpoint.ts';
import { EndpointRejected, type InferenceError, ModelNotFound, RequestRefused } from './errors.ts';
import type { Failure } from './failure.ts';

/** How long to wait for the list of models that makes the message of a wrong name better, in seconds. */
export const listingTimeoutSeconds = 10;

/**
 * @param text the endpoint's words, without the key
 * @param keyAdvice what to do where the key isn't accepted
 * @param listModels what the endpoint has, for the message about a name that it hasn't
 */
export async function finalError(
  endpoint: Pick<Endpoint, 'baseUrl' | 'model'>,
  failure: Exclude<Failure, { kind: 'retry' }>,
  text: string,
  keyAdvice: string,
  listModels: () => Promise<string[]>,
): Promise<InferenceError> {
  const url = shownUrl(endpoint.baseUrl);
  const details = { endpoint: url, status: failure.status, requestId: failure.requestId };
  switch (failure.kind) {
    case 'rejected':
      return new EndpointRejected(`${url} doesn't let us in: ${text}. ${keyAdvice}`, details);
    case 'model-not-found': {
      const available = await listModels().catch(() => undefined);
      const advice =
        available === undefined
          ? "It doesn't list its models either: check that the base URL ends in the API's base path, as a rule /v1."
          : `It has ${nameSome(available)}.`;
      const message = `${url} doesn't serve the model ${endpoint.model}: ${text}. ${advice}`;
      return new ModelNotFound(message, { ...details, available });
    }
    case 'samples-unsupported':
    case 'refused': {
      const reason = failure.kind === 'refused' ? failure.reason : 'bad-request';
      return new RequestRefused(`${url} refuses this request to ${endpoint.model} (${reason}): ${text}`, {
        ...details,
        reason,
      });
    }
  }
}

function nameSome(models: readonly string[]): string {
  if (models.length === 0) return 'no models at all';
  return models.length > 20
    ? `${models.slice(0, 20).join(', ')} and ${models.length - 20} more`
    : models.join(', ');
}
