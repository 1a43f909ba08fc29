/** Sends a request to a server of this machine that the inference client has no method for. */
import { quote } from '../../../platform/quotes.ts';
import {
  apiKeyOf,
  type Endpoint,
  type Environment,
  keyHeader,
  redactText,
  requestUrl,
} from '../../inference/endpoint.ts';
import { fetchText } from '../../../platform/bounded-text.ts';
import { describeAnswer } from '../../inference/describe-answer.ts';
import { HttpFailure } from '../../inference/http-failure.ts';
import { withTimeout } from '../../inference/timeout.ts';
import { AdapterRefused, Unanswered } from './errors.ts';

export interface ServerAccess {
  /** The server's address, and the name of the adapter. */
  readonly endpoint: Endpoint;
  /** Contains the server's key, if it is in a variable. */
  readonly environment: Environment;
  readonly signal?: AbortSignal | undefined;
}

export interface JsonAnswer {
  readonly status: number;
  readonly text: string;
  /** Undefined if the answer is not JSON. */
  readonly json: unknown;
  /** The error that says what was answered, without the key. */
  refused(what: string): AdapterRefused;
}

/**
 * @param path behind the base of the API
 * @throws Unanswered
 */
export async function sendJson(
  path: string,
  body: object,
  { endpoint, environment, signal }: ServerAccess,
  timeoutSeconds: number,
): Promise<JsonAnswer> {
  const key = apiKeyOf(endpoint, environment);
  const url = requestUrl(endpoint.baseUrl, `/${path}`);
  try {
    return await withTimeout(timeoutSeconds, signal, async (bounded) => {
      const { status, text } = await fetchText(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...keyHeader(endpoint, key) },
        body: JSON.stringify(body),
        signal: bounded,
      });
      const json = parsed(text);
      const refused = (what: string) => {
        const { message } = new HttpFailure(status, json ?? text, {
          description: () => describeAnswer(text),
        });
        return new AdapterRefused(
          `${url.href} answers ${what} with ${redactText(quote(message, { by: url.href }))}`,
        );
      };
      return { status, text, json, refused };
    });
  } catch (error) {
    signal?.throwIfAborted();
    const { message, cause } = error as Error;
    throw new Unanswered(`${url.href} doesn't answer: ${cause instanceof Error ? cause.message : message}`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
