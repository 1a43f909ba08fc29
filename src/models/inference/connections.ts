/** Creates one client of the OpenAI library for each endpoint and key; all share a pool of connections. */
import OpenAI from 'openai';
import { Agent, fetch } from 'undici';
import type { Endpoint } from './endpoint.ts';
import { withTimeout } from './timeout.ts';

export interface Connections {
  clientFor(endpoint: Endpoint, key: string): OpenAI;
  /** Fetches a page of a server without sending a key. */
  fetchPage(url: URL, signal: AbortSignal): Promise<{ status: number; text: string }>;
  /** Closes the pool after the requests in flight have ended. */
  close(): Promise<void>;
}

/** @param maximumConnections at the same time to one host */
export function createConnections(maximumConnections: number): Connections {
  // Node's fetch fails after five minutes without a header or a part of the body, and a request for many long samples
  // takes longer. Only `withTimeout` limits an attempt. The agent and fetch must come from the same undici.
  const dispatcher = new Agent({ connections: maximumConnections, headersTimeout: 0, bodyTimeout: 0 });
  const clients = new Map<string, OpenAI>();

  return {
    clientFor(endpoint, key) {
      const id = `${endpoint.baseUrl}\n${key}`;
      let client = clients.get(id);
      if (client === undefined) {
        client = new OpenAI({
          baseURL: endpoint.baseUrl,
          apiKey: key,
          // Without these, the library reads variables that are meant for OpenAI's own service.
          adminAPIKey: null,
          organization: null,
          project: null,
          webhookSecret: null,
          // This client decides which failures are retried.
          maxRetries: 0,
          timeout: 2 ** 31 - 1,
          logLevel: 'off',
          // undici and Node declare the same function with different types.
          fetch: fetch as unknown as typeof globalThis.fetch,
          fetchOptions: { dispatcher },
        });
        clients.set(id, client);
      }
      return client;
    },
    async fetchPage(url, signal) {
      const response = await fetch(url, { dispatcher, signal });
      return { status: response.status, text: await response.text() };
    },
    close: () => dispatcher.close(),
  };
}

/** Returns the names of the models that an endpoint has. Throws the library's errors. */
export async function listModels(openai: OpenAI, timeoutSeconds: number): Promise<string[]> {
  const page = await withTimeout(timeoutSeconds, undefined, async (signal) => openai.models.list({ signal }));
  return page.data.map((model) => model.id);
}
