/** Requests to the Kubernetes API server, and its refusals in its own words. */
import { fetch } from 'undici';
import { z } from 'zod';
import { readBoundedText } from '../../../platform/bounded-text.ts';
import { formatBytes } from '../../../platform/format-bytes.ts';
import { LauncherUnavailable } from './launcher.ts';
import type { Connection } from './kubernetes-connection.ts';

/** Kubernetes refuses a request, and would refuse it again. */
export class KubernetesRefused extends Error {
  override readonly name = 'KubernetesRefused';
  /** Such as `NotFound`, `AlreadyExists`, `Forbidden`. */
  readonly reason: string;

  constructor(message: string, reason: string) {
    super(message);
    this.reason = reason;
  }
}

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const REQUEST_MILLISECONDS = 30_000;
/** A list of a namespace's pods may have some megabytes. */
const ANSWER_BYTES = 64_000_000;

const statusSchema = z.object({ message: z.string(), reason: z.string().default('') });

/**
 * Sends a request.
 * @throws LauncherUnavailable if Kubernetes does not answer, or refuses for now; KubernetesRefused otherwise
 */
export async function callApi<Schema extends z.ZodType>(
  { server, authorization, dispatcher }: Connection,
  path: string,
  schema: Schema,
  { method = 'GET', query = {}, body }: ApiRequest = {},
): Promise<z.output<Schema>> {
  const parameters = new URLSearchParams(query).toString();
  const url = `${server}${path}${parameters === '' ? '' : `?${parameters}`}`;
  let status: number;
  let content: string;
  try {
    const response = await fetch(url, {
      method,
      dispatcher,
      // The authorization is for this server.
      redirect: 'manual',
      signal: AbortSignal.timeout(REQUEST_MILLISECONDS),
      headers: {
        accept: 'application/json',
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    status = response.status;
    content = response.body === null ? '' : await readBoundedText(response.body, ANSWER_BYTES);
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message : message;
    throw new LauncherUnavailable(`Kubernetes does not answer at ${server}: ${reason}`);
  }
  if (status < 300) return schema.parse(JSON.parse(content));
  const refusal = statusSchema.safeParse(parseJson(content));
  const { message, reason } = refusal.data ?? {
    message: `${server} answers ${status} with ${formatBytes(content.length)} that are no status of Kubernetes`,
    reason: '',
  };
  if (isTemporary(status, reason, message)) throw new LauncherUnavailable(message);
  throw new KubernetesRefused(message, reason);
}

/** Quotas are used up only for now; two requests that change the same quota at once conflict. */
function isTemporary(status: number, reason: string, message: string): boolean {
  return (
    status === 408 ||
    status === 429 ||
    status >= 500 ||
    reason === 'Conflict' ||
    (status === 403 && message.includes('exceeded quota'))
  );
}

export function isRefusedFor(error: unknown, reason: string): boolean {
  return error instanceof KubernetesRefused && error.reason === reason;
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
