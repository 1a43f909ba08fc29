/** The error that a caller gets for a failure that another attempt can't mend: with what to do about it. */
import type OpenAI from 'openai';
import { withTimeout } from './connections.ts';
import { type Endpoint, shownUrl } from './endpoint.ts';
import { EndpointRejected, type InferenceError, ModelNotFound, RequestRefused } from './errors.ts';
import type { Failure } from './failures.ts';

/** How long to wait for the list of models that makes the message of a wrong name better, in seconds. */
const listingTimeoutSeconds = 10;

/** @param text the endpoint's words, without the key. */
export async function finalError(
  openai: OpenAI,
  endpoint: Endpoint,
  failure: Exclude<Failure, { kind: 'retry' }>,
  text: string,
): Promise<InferenceError> {
  const url = shownUrl(endpoint.baseUrl);
  const details = { endpoint: url, status: failure.status, requestId: failure.requestId };
  switch (failure.kind) {
    case 'rejected': {
      const advice =
        endpoint.apiKeyVariable === undefined
          ? 'No key was sent: name the environment variable that holds it (apiKeyVariable).'
          : `The key comes from the environment variable ${endpoint.apiKeyVariable} of the worker: check it there.`;
      return new EndpointRejected(`${url} doesn't let us in: ${text}. ${advice}`, details);
    }
    case 'model-not-found': {
      const available = await listModels(openai, listingTimeoutSeconds).catch(() => undefined);
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

/** The names of the models that an endpoint has. Throws what the library throws. */
export async function listModels(openai: OpenAI, timeoutSeconds: number): Promise<string[]> {
  const page = await withTimeout(timeoutSeconds, undefined, async (signal) => openai.models.list({ signal }));
  return page.data.map((model) => model.id);
}

function nameSome(models: readonly string[]): string {
  if (models.length === 0) return 'no models at all';
  return models.length > 20
    ? `${models.slice(0, 20).join(', ')} and ${models.length - 20} more`
    : models.join(', ');
}
