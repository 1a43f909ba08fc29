/** Looking at an endpoint before work is given to it: preflight, and the readiness of a server that was started. */
import { createInferenceClient } from './client.ts';
import { createConnections, listModels } from './connections.ts';
import { apiKeyOf, type Endpoint, type Environment, shownText, shownUrl } from './endpoint.ts';
import { InferenceError } from './errors.ts';
import { classifyFailure } from './failures.ts';

export interface AskOptions {
  environment: Environment;
  timeoutSeconds: number;
}

export interface CheckOptions extends AskOptions {
  /**
   * Whether the model must be there by now: then one request of one token is sent to it. A judge that is yet to be
   * trained can't be, so for that only the endpoint and the key are tried.
   */
  expectModel: boolean;
}

/** What is wrong with an endpoint, one sentence each, with what to do; empty where nothing is. */
export async function checkEndpoint(endpoint: Endpoint, options: CheckOptions): Promise<string[]> {
  if (!URL.canParse(endpoint.baseUrl)) return [`${shownUrl(endpoint.baseUrl)} is no URL.`];
  if (!options.expectModel) return askForModels(endpoint, options);
  const error = await askOneToken(endpoint, options);
  return error === undefined ? [] : [error.message];
}

/** Sends the model one request of one token, once; returns what went wrong, if anything did. */
export async function askOneToken(
  endpoint: Endpoint,
  options: AskOptions,
): Promise<InferenceError | undefined> {
  const client = createInferenceClient({
    maximumInFlight: 1,
    requestTimeoutSeconds: options.timeoutSeconds,
    retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
    environment: options.environment,
  });
  try {
    await client.complete({
      endpoint,
      messages: [{ role: 'user', content: 'Hello' }],
      sampling: { temperature: 0, topP: 1, maxTokens: 1 },
      samples: 1,
    });
    return undefined;
  } catch (error) {
    if (error instanceof InferenceError) return error;
    throw error;
  } finally {
    await client.close();
  }
}

async function askForModels(endpoint: Endpoint, options: AskOptions): Promise<string[]> {
  const connections = createConnections(1);
  let key = '';
  try {
    key = apiKeyOf(endpoint, options.environment);
    await listModels(connections.to(endpoint, key), options.timeoutSeconds);
    return [];
  } catch (error) {
    if (error instanceof InferenceError) return [error.message];
    const failure = classifyFailure(error);
    const url = shownUrl(endpoint.baseUrl);
    if (failure.kind === 'model-not-found') {
      return [
        `${url} has no list of models: check that the base URL ends in the API's base path, as a rule /v1.`,
      ];
    }
    return [`${url} can't be asked for its models: ${shownText(failure.text, key)}.`];
  } finally {
    await connections.close();
  }
}
