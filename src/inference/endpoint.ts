/** An OpenAI-compatible endpoint: where it is, which model it is asked for, and the key it wants. */
import { EndpointRejected } from './errors.ts';

export interface Endpoint {
  /** Base of the API, as a rule ending in `/v1`. */
  baseUrl: string;
  /** The name under which the endpoint serves the model. */
  model: string;
  /** Name of the environment variable that holds the key; the key itself never stands in a configuration. */
  apiKeyVariable?: string | undefined;
}

/** Where a model is served: at one address, or at several under the same name, with one key or a key for each. */
export interface EndpointAddresses {
  readonly baseUrl: string | readonly string[];
  readonly apiKeyVariable?: string | readonly string[] | undefined;
}

/** The endpoints behind the addresses, in their order. */
export function endpointsOf(
  { baseUrl, apiKeyVariable }: EndpointAddresses,
  model: string,
): [Endpoint, ...Endpoint[]] {
  const endpoints = [baseUrl].flat().map((address, index) => {
    const variable = typeof apiKeyVariable === 'object' ? apiKeyVariable[index] : apiKeyVariable;
    return { baseUrl: address, model, apiKeyVariable: variable };
  });
  // The configuration has no empty list.
  return endpoints as [Endpoint, ...Endpoint[]];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Sent where an endpoint needs no key, because the client library insists on one. */
export const noKey = 'none';

/** The key for an endpoint, from the environment. Throws `EndpointRejected` where the variable can't be used. */
export function apiKeyOf(endpoint: Endpoint, environment: Environment): string {
  if (endpoint.apiKeyVariable === undefined) return noKey;
  const key = environment[endpoint.apiKeyVariable]?.trim();
  if (!key) throw keyProblem(endpoint, 'is not set');
  // A header takes no other characters, and the library's own complaint about them would quote the key.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw keyProblem(endpoint, 'holds blanks or characters that no header may carry');
  return key;
}

/** What to do where an endpoint doesn't accept the key. */
export function keyAdvice({ apiKeyVariable }: Endpoint): string {
  return apiKeyVariable === undefined
    ? 'No key was sent: name the environment variable that holds it (apiKeyVariable).'
    : `The key comes from the environment variable ${apiKeyVariable} of the worker: check it there.`;
}

function keyProblem(endpoint: Endpoint, problem: string): EndpointRejected {
  return new EndpointRejected(
    `The environment variable ${endpoint.apiKeyVariable}, which names the key for ${shownUrl(endpoint.baseUrl)}, ` +
      `${problem}: set it where the worker runs.`,
    { endpoint: shownUrl(endpoint.baseUrl) },
  );
}

/** A URL as it may be shown: without a user name or password that stands in it. */
export function shownUrl(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

/** Text from outside as it may be shown: without the key, in one line, and not longer than `maximumCharacters`. */
export function shownText(text: string, key: string, maximumCharacters = 400): string {
  const hidden =
    key === noKey ? text : text.replaceAll(key, '[key]').replaceAll(encodeURIComponent(key), '[key]');
  const line = hidden.replace(/\s+/g, ' ').trim();
  return line.length > maximumCharacters ? `${line.slice(0, maximumCharacters)}...` : line;
}
