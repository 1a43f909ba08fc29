/** An OpenAI-compatible endpoint: its address, the model that is requested there, and its key. */
import { addSecret, maskSecrets } from '../../platform/secrets.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { AuthenticationFailed } from './errors.ts';

export interface Endpoint {
  /** Base of the API; usually ends in `/v1`. */
  baseUrl: string;
  /** The name under which the endpoint serves the model. */
  model: string;
  /** The environment variable that holds the key; a configuration never contains the key itself. */
  apiKeyEnv?: string | undefined;
  /** The key itself, if a program passes it. */
  apiKey?: string | undefined;
  /** The header that carries the key; by default `api-key` for Azure, and `Authorization` for all others. */
  apiKeyHeader?: string | undefined;
}

/** Where a model is served: at one address, or at several under the same name, with one key or a key for each. */
export interface EndpointAddresses {
  readonly baseUrl: string | readonly string[];
  readonly apiKeyEnv?: string | readonly string[] | undefined;
  readonly apiKeyHeader?: string | undefined;
  /** The key itself, if only this process knows it. */
  readonly apiKey?: string | undefined;
}

/** The endpoints behind the addresses, in their order. */
export function endpointsOf(
  { baseUrl, apiKeyEnv, apiKeyHeader, apiKey }: EndpointAddresses,
  model: string,
): [Endpoint, ...Endpoint[]] {
  const endpoints = [baseUrl].flat().map((address, index) => {
    const variable = typeof apiKeyEnv === 'object' ? apiKeyEnv[index] : apiKeyEnv;
    const key = apiKey === undefined ? {} : { apiKey };
    return { baseUrl: address, model, apiKeyEnv: variable, apiKeyHeader, ...key };
  });
  // The configuration has no empty list.
  return endpoints as [Endpoint, ...Endpoint[]];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Sent if an endpoint needs no key, because the client library requires one. */
export const PLACEHOLDER_API_KEY = 'none';

/**
 * The key for an endpoint, given with it or in the environment.
 * @throws AuthenticationFailed if the variable is not set, or the key can't be sent
 */
export function apiKeyOf(endpoint: Endpoint, environment: Environment): string {
  const { apiKey, apiKeyEnv } = endpoint;
  if (apiKey === undefined && apiKeyEnv === undefined) return PLACEHOLDER_API_KEY;
  const key = (apiKey ?? environment[apiKeyEnv ?? ''])?.trim();
  if (!key) throw apiKeyError(endpoint, 'is not set');
  // A header accepts no other characters, and the library's own complaint about them would quote the key.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw apiKeyError(endpoint, 'contains blanks or characters that a header must not contain');
  addSecret(key);
  return key;
}

/** Advice for a key that an endpoint doesn't accept. */
export function apiKeyAdvice({ apiKey, apiKeyEnv }: Endpoint): string {
  if (apiKey !== undefined) return 'Check the given key (apiKey).';
  return apiKeyEnv === undefined
    ? 'No key was sent: give one (apiKey), or name the environment variable that holds it (apiKeyEnv).'
    : `The key comes from the environment variable ${apiKeyEnv} of this process: check it there.`;
}

function apiKeyError({ baseUrl, apiKey, apiKeyEnv }: Endpoint, problem: string): AuthenticationFailed {
  const endpoint = redactUrl(baseUrl);
  return new AuthenticationFailed(
    apiKey === undefined
      ? `The environment variable ${apiKeyEnv}, which holds the key for ${endpoint}, ${problem}: set it for this process.`
      : `The key for ${endpoint} ${problem}.`,
    { endpoint },
  );
}

/** The header that carries the key. */
export function keyHeader({ baseUrl, apiKeyHeader }: Endpoint, key: string): Record<string, string> {
  const name = apiKeyHeader ?? (isAzure(baseUrl) ? 'api-key' : 'authorization');
  return name.toLowerCase() === 'authorization' ? { authorization: `Bearer ${key}` } : { [name]: key };
}

function isAzure(baseUrl: string): boolean {
  const url = URL.parse(baseUrl);
  return (
    url !== null &&
    (/\.azure(-api)?\.(com|us|cn|net)$/.test(url.hostname) || url.searchParams.has('api-version'))
  );
}

/** Puts a path behind that of the base URL, and before its query. */
export function requestUrl(baseUrl: string, path: string): URL {
  const url = new URL(baseUrl);
  url.pathname = url.pathname.replace(/(\/chat\/completions)?\/*$/, '') + path;
  url.hash = '';
  return url;
}

const LOCAL_ADDRESS =
  /^(?:localhost|.+\.localhost|(?:127|10)(?:\.\d+){3}|192\.168(?:\.\d+){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d+){2}|\[(?:::1|f[cd][\da-f:]*)\])$/;

/** Whether a URL names this machine or a private address (RFC 1918, RFC 4193), where the servers of runs are. */
export function isLocalAddress({ hostname }: URL): boolean {
  return LOCAL_ADDRESS.test(hostname);
}

/** Removes a user name, a password and secrets of the query from a URL, so that it can be shown. */
export function redactUrl(url: string): string {
  return url
    .replace(/\/\/[^/@]*@/, '//')
    .replaceAll(/([?&][^=&]*(?:key|token|secret|sig|auth|password)[^=&]*=)[^&#]*/gi, '$1[key]');
}

/** Prepares text of an endpoint to be shown: removes keys, joins the lines, and shortens it to `maximumCharacters`. */
export function redactText(text: string, maximumCharacters = 400): string {
  const line = oneLine(maskSecrets(text)).replace(/\s+/g, ' ').trim();
  return line.length > maximumCharacters ? `${line.slice(0, maximumCharacters)}...` : line;
}
