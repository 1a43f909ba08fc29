/** Chat completions by Node's own `fetch`: an installation of the client brings no other library for them. */
import { type RetryPolicy, secondsBeforeRetry, waitInRealTime } from '../../inference/backoff.ts';
import { type ChatAnswer, type Choice, readChatAnswer, type Usage } from '../../inference/chat-answer.ts';
import { noKey, shownText, shownUrl } from '../../inference/endpoint.ts';
import { EndpointRejected, EndpointUnavailable } from '../../inference/errors.ts';
import { classifyError, classifyStatus, type Failure } from '../../inference/failure.ts';
import { finalError, listingTimeoutSeconds } from '../../inference/final-error.ts';
import { withTimeout } from '../../inference/timeout.ts';
import type { OrderRequest } from '../../judge/comparison.ts';
import { Slots } from './slots.ts';

export interface ChatOptions {
  /** Of the OpenAI-compatible API, as a rule ending in `/v1`. */
  readonly baseUrl: string;
  /** The model's name at the endpoint. */
  readonly model: string;
  /** Sent as a bearer token; it never stands in a message. */
  readonly apiKey?: string | undefined;
  /** Requests that are under way at most, all calls together; 16 by default. */
  readonly maximumInFlight?: number | undefined;
  /** For one attempt, its whole answer read; 300 by default, the most that Node waits for an answer to begin. */
  readonly requestTimeoutSeconds?: number | undefined;
  /** How often a request is sent at most where the endpoint gives no usable answer; 5 by default. */
  readonly attempts?: number | undefined;
}

/** What a judge is asked: the samples of one prompt. */
export type ChatRequest = Pick<OrderRequest, 'messages' | 'sampling' | 'samples' | 'seed'> & {
  readonly signal?: AbortSignal | undefined;
};

export interface ChatCompletion {
  /** As many as samples were asked for, in the order of their seeds. */
  readonly choices: readonly Choice[];
  readonly usage: Usage;
  /** HTTP requests that were answered; those that failed and were sent again aside. */
  readonly calls: number;
}

const LONGEST_RETRY_AFTER_SECONDS = 300;

/** An endpoint's model, asked with bounded concurrency and retries. */
export class Chat {
  readonly #options: ChatOptions;
  readonly #slots: Slots;
  readonly #retry: RetryPolicy;
  readonly #key: string;

  /** @throws EndpointRejected for an address or a key that can't be used; RangeError for `maximumInFlight` */
  constructor(options: ChatOptions) {
    const endpoint = shownUrl(options.baseUrl);
    const { protocol, username } = URL.parse(options.baseUrl) ?? { protocol: '', username: '' };
    if (!/^https?:$/.test(protocol))
      throw new EndpointRejected(`${endpoint} is no http or https URL.`, { endpoint });
    if (username !== '')
      throw new EndpointRejected(`The URL ${endpoint} must hold no user name: a key is given by itself.`, {
        endpoint,
      });
    this.#options = { ...options, baseUrl: options.baseUrl.replace(/\/+$/, '') };
    const inFlight = options.maximumInFlight ?? 16;
    if (!Number.isInteger(inFlight) || inFlight < 1)
      throw new RangeError(`maximumInFlight is ${inFlight}, and must be a whole number from 1 on.`);
    this.#slots = new Slots(inFlight);
    this.#retry = { attempts: options.attempts ?? 5, initialSeconds: 0.5, maximumSeconds: 8 };
    this.#key = options.apiKey?.trim() || noKey;
    if (!/^[\x21-\x7e]+$/.test(this.#key)) {
      const message = `The key for ${endpoint} holds blanks or characters that no header may carry.`;
      throw new EndpointRejected(message, { endpoint });
    }
  }

  /**
   * Draws samples in one request, where the server knows `n`, and what is missing one by one.
   * @throws EndpointUnavailable, EndpointRejected, ModelNotFound, RequestRefused; the signal's reason
   */
  async complete(request: ChatRequest): Promise<ChatCompletion> {
    const first = await this.#answer(request);
    const missing = Array.from(
      { length: Math.max(0, request.samples - first.choices.length) },
      (_, index) => first.choices.length + index,
    );
    const rest = await Promise.all(
      missing.map((sample) => this.#answer({ ...request, samples: 1, seed: request.seed + sample })),
    );
    const answers = [...(first.choices.length === 0 ? [] : [first]), ...rest];
    const sum = (field: keyof Usage) => answers.reduce((total, { usage }) => total + usage[field], 0);
    return {
      choices: answers.flatMap(({ choices }) => choices).slice(0, request.samples),
      usage: { promptTokens: sum('promptTokens'), completionTokens: sum('completionTokens') },
      calls: answers.length,
    };
  }

  #answer(request: ChatRequest): Promise<ChatAnswer> {
    return this.#slots.during(request.signal, () => this.#askUntilAnswered(request));
  }

  /** It keeps its slot while it waits, so that an endpoint under load is asked less by the others too. */
  async #askUntilAnswered(request: ChatRequest): Promise<ChatAnswer> {
    const { requestTimeoutSeconds = 300 } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const sent = await withTimeout(requestTimeoutSeconds, request.signal, (signal) =>
        this.#send(request, signal),
      ).catch((error: unknown) => {
        request.signal?.throwIfAborted();
        return classifyError(error);
      });
      if ('choices' in sent) return sent;
      if (sent.kind === 'samples-unsupported' && request.samples > 1)
        return { choices: [], usage: { promptTokens: 0, completionTokens: 0 } };
      const seconds = await this.#secondsUntilNext(sent, attempt);
      await waitInRealTime(seconds, request.signal);
    }
  }

  /** @throws the error that the caller gets, where another attempt can't mend the failure, or none is left */
  async #secondsUntilNext(failure: Failure, attempt: number): Promise<number> {
    const { baseUrl, model, apiKey } = this.#options;
    const text = shownText(failure.text, this.#key);
    if (failure.kind !== 'retry') {
      const advice =
        apiKey === undefined
          ? 'No key was sent: give it one (apiKey).'
          : 'Look whether the key (apiKey) is right.';
      throw await finalError({ baseUrl, model }, failure, text, advice, () => this.#models());
    }
    const { reason, retryAfterSeconds, status, requestId } = failure;
    const isTooLong = (retryAfterSeconds ?? 0) > LONGEST_RETRY_AFTER_SECONDS;
    if (attempt < this.#retry.attempts && !isTooLong)
      return secondsBeforeRetry(this.#retry, attempt, retryAfterSeconds, Math.random);
    const endpoint = shownUrl(baseUrl);
    throw new EndpointUnavailable(
      `${endpoint} gave no usable answer for model ${model} in ${attempt} attempt${attempt === 1 ? '' : 's'}; the last ` +
        `one: ${reason}: ${text}. ` +
        (isTooLong
          ? `It asks to be left alone for ${Math.ceil(retryAfterSeconds ?? 0)} s.`
          : 'Look whether it is up, reachable from here and not overloaded.'),
      { endpoint, attempts: attempt, status, requestId, retryAfterSeconds },
    );
  }

  async #send(
    { messages, sampling, samples, seed }: ChatRequest,
    signal: AbortSignal,
  ): Promise<ChatAnswer | Failure> {
    const { baseUrl, model } = this.#options;
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { ...this.#headers(), 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        messages,
        temperature: sampling.temperature,
        top_p: sampling.topP,
        max_tokens: sampling.maxTokens,
        ...(samples === 1 ? {} : { n: samples }),
        seed,
      }),
      signal,
    });
    const text = await response.text();
    return response.ok ? readChatAnswer(JSON.parse(text)) : classifyStatus(failedAnswer(response, text));
  }

  /** The names of the models that the endpoint has. */
  #models(): Promise<string[]> {
    return withTimeout(listingTimeoutSeconds, undefined, async (signal) => {
      const response = await fetch(`${this.#options.baseUrl}/models`, { headers: this.#headers(), signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { data } = (await response.json()) as { data: { id: string }[] };
      return data.map(({ id }) => id);
    });
  }

  #headers(): Record<string, string> {
    return { accept: 'application/json', authorization: `Bearer ${this.#key}` };
  }
}

/** OpenAI's shape of an error, or vLLM's older one without the envelope, or whatever else came as text. */
function failedAnswer(response: Response, text: string): Parameters<typeof classifyStatus>[0] {
  const { status, headers } = response;
  const requestId = headers.get('x-request-id') ?? undefined;
  const envelope = jsonOf(text);
  const error = (envelope?.['error'] ?? envelope) as Record<string, unknown> | undefined;
  const words = typeof error?.['message'] === 'string' ? error['message'] : text || 'no words';
  const message = `${status} ${words}`;
  return { status, message, code: error?.['code'], param: error?.['param'], requestId, headers };
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
