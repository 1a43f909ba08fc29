import { once } from 'node:events';
import { type IncomingMessage, request as sendRequest } from 'node:http';
import { text as textOf } from 'node:stream/consumers';

export interface SentRequest {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Sends a request with any header, also with those that fetch sets itself, such as `Host`. */
export async function send(url: string, { method = 'GET', headers = {}, body }: SentRequest = {}) {
  const request = sendRequest(url, { method, headers }).end(body);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, text: await textOf(answer) };
}
