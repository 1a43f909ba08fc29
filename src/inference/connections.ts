/** The library's clients, one for each endpoint and key, over one pool of connections. */
import OpenAI from 'openai';
import { Agent, fetch } from 'undici';
import type { Endpoint } from './endpoint.ts';
import { withTimeout } from './timeout.ts';

export interface Connections {
  to(endpoint: Endpoint, key: string): OpenAI;
  /** Reads a page of a server, without a key. */
  get(url: URL, signal: AbortSignal): Promise<{ status: number; text: string }>;
  /** Closes the pool once what is under way has ended. */
  close(): Promise<void>;
}

/** @param maximumConnections to one host at a time. */
export function createConnections(maximumConnections: number): Connections {
  // Node's own fetch gives up after five minutes without a header or a part of the body, which a request for many
  // long samples exceeds. Here `withTimeout` alone bounds an attempt; agent and fetch must be of the same undici.
  const dispatcher = new Agent({ connections: maximumConnections, headersTimeout: 0, bodyTimeout: 0 });
  const clients = new Map<string, OpenAI>();

  return {
    to(endpoint, key) {
      const id = `${endpoint.baseUrl}\n${key}`;
      let client = clients.get(id);
      if (client === undefined) {
        client = new OpenAI({
          baseURL: endpoint.baseUrl,
          apiKey: key,
          // Otherwise read from variables that are meant for OpenAI's own service.
          adminAPIKey: null,
          organization: null,
          project: null,
          webhookSecret: null,
          // Which failures are worth another attempt is decided here, not in the library.
          maxRetries: 0,
          timeout: 2 ** 31 - 1,
          logLevel: 'off',
          // undici's types and Node's describe the same functions by different names.
          fetch: fetch as unknown as typeof globalThis.fetch,
          fetchOptions: { dispatcher },
        });
        clients.set(id, client);
      }
      return client;
    },
    async get(url, signal) {
      const response = await fetch(url, { dispatcher, signal });
      return { status: response.status, text: await response.text() };
    },
    close: () => dispatcher.close(),
  };
}

/** The names of the models that an endpoint has. Throws what the library throws. */
export async function listModels(openai: OpenAI, timeoutSeconds: number): Promise<string[]> {
  const page = await withTimeout(timeoutSeconds, undefined, async (signal) => openai.models.list({ signal }));
  return page.data.map((model) => model.id);
}
