/** What this process has learned about a model at an endpoint; kept as long as the process lives, for all clients in it. */
import type { TokenUsage } from './chat-answer.ts';
import type { Completion, CompletionRequest } from './completion.ts';
import { type Endpoint, redactUrl } from './endpoint.ts';
import { REFUSAL_NOTICES, type RequestForm } from './request-form.ts';

/** A form that is refused is searched for a better one so often, because the prompt may have been the cause. */
const MAX_SEARCHES = 3;
/** So many requests in a row whose samples are all equal, at a temperature above 0, are told. */
const EQUAL_REQUESTS = 20;

const profiles = new Map<string, EndpointProfile>();

export function profileOf({ baseUrl, model }: Endpoint): EndpointProfile {
  const id = `${baseUrl}\n${model}`;
  let profile = profiles.get(id);
  if (profile === undefined) {
    profile = new EndpointProfile(`${redactUrl(baseUrl)}, model ${model}`);
    profiles.set(id, profile);
  }
  return profile;
}

export class EndpointProfile {
  readonly #name: string;
  #refused: RequestForm = new Set();
  readonly #accepted = new Set<string>();
  readonly #searches = new Map<string, number>();
  #search: Promise<unknown> | undefined;
  /** By topic, in the order in which they came up. */
  readonly #notices = new Map<string, string>();
  #equalRequests = 0;
  #hasDifferentSamples = false;
  #samples = 0;
  #cutSamples = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** The parameters that it refuses, as far as they are known. */
  get refused(): RequestForm {
    return this.#refused;
  }

  /** Sentences about what it does differently from what was asked, for those who use the answers. */
  get notices(): readonly string[] {
    return [...this.#notices.values()];
  }

  /** Whether it has answered a request of this form (`formKey`). */
  hasAccepted(form: string): boolean {
    return this.#accepted.has(form);
  }

  accept(form: string): void {
    this.#accepted.add(form);
  }

  mayBeSearched(form: string): boolean {
    return this.searches(form) < MAX_SEARCHES;
  }

  /** How often no form was found that it takes instead of this one. */
  searches(form: string): number {
    return this.#searches.get(form) ?? 0;
  }

  /** Resolves when no other request looks for a form that it takes. */
  async whenSearched(): Promise<void> {
    while (this.#search !== undefined) await this.#search.catch(() => undefined);
  }

  /**
   * Remembers the parameters that `search` finds to be refused. Only one search runs at a time.
   * @param search undefined if it found no form that is taken
   */
  async search<T extends { readonly refused: RequestForm }>(
    form: string,
    search: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const searching = search();
    this.#search = searching;
    try {
      const found = await searching;
      if (found === undefined) this.#searches.set(form, this.searches(form) + 1);
      else this.#learn(found.refused);
      return found;
    } finally {
      this.#search = undefined;
    }
  }

  #learn(refused: RequestForm): void {
    for (const name of refused) this.#note(name, REFUSAL_NOTICES[name]);
    this.#refused = refused;
  }

  /** Watches for what a server does in silence. */
  observe({ sampling }: CompletionRequest, { choices, usage, uncounted }: Completion): void {
    if (uncounted.promptTokens + uncounted.completionTokens > 0)
      this.#note(
        'tokens',
        'does not count tokens: for a budget of tokens or money they are estimated from the texts, one for every three bytes, ' +
          'and other figures of tokens are 0',
      );
    this.#observeEqualSamples(
      choices.map(({ text }) => text),
      sampling.temperature,
    );
    this.#observeCutSamples(choices, usage, sampling.maxTokens);
  }

  #observeEqualSamples(texts: readonly string[], temperature: number): void {
    if (texts.length < 2 || temperature === 0 || this.#hasDifferentSamples) return;
    if (new Set(texts).size > 1) {
      this.#hasDifferentSamples = true;
      return;
    }
    this.#equalRequests += 1;
    if (this.#equalRequests === EQUAL_REQUESTS)
      this.#note(
        'equal',
        `gave only equal samples in each of ${EQUAL_REQUESTS} requests at a temperature of ${temperature}: it seems to ignore temperature ` +
          'and seed, and then further samples and votes tell nothing (if the answers are very short, the model may only be certain)',
      );
  }

  /** A server whose context is too small for prompt and answer cuts an answer before `max_tokens`. */
  #observeCutSamples(
    choices: Completion['choices'],
    { completionTokens }: TokenUsage,
    maxTokens: number,
  ): void {
    this.#samples += choices.length;
    const cut = choices.filter(({ finishReason }) => finishReason === 'length').length;
    if (cut === 0 || completionTokens === 0) return;
    const before = this.#cutSamples;
    this.#cutSamples += Math.max(0, cut - Math.floor(completionTokens / maxTokens));
    // Told at 1, 10, 100, ...
    const step = 10 ** Math.floor(Math.log10(Math.max(1, this.#cutSamples)));
    if (this.#cutSamples >= step && before < step)
      this.#note(
        `cut ${step}`,
        `has cut ${this.#cutSamples} of ${this.#samples} samples before max_tokens (${maxTokens}): its own context or limit is too small for ` +
          'prompt and answer together; serve the model with a longer one, or ask for less',
      );
  }

  #note(topic: string, text: string): void {
    if (!this.#notices.has(topic)) this.#notices.set(topic, `The endpoint ${this.#name} ${text}.`);
  }
}
