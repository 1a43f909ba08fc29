import type { Sampling } from '../config/schema.ts';
import type { Completion, InferenceClient, CompletionRequest } from '../inference/client.ts';
import type { Message } from '../judge/prompt-template.ts';
import type { AssumptionName, Assumptions } from './assumptions.ts';
import type { AskingStage, Rates } from './rates.ts';

interface Asked {
  readonly endpoints: CompletionRequest['endpoints'];
  readonly sampling: Sampling;
  readonly samples?: number;
  readonly messages: readonly (readonly Message[])[];
}

interface Tally {
  tokens: number;
  seconds: number;
}

/** Asks, and adds up what it took. */
export class Asking {
  readonly #client: InferenceClient;
  readonly #signal: AbortSignal;
  readonly #atOnce: number;
  #requests = 0;
  readonly #lengths = new Map<AssumptionName, number>();
  readonly #stages = new Map<AskingStage, Tally>();
  #lastLength = 0;

  constructor(client: InferenceClient, signal: AbortSignal, atOnce: number) {
    this.#client = client;
    this.#signal = signal;
    this.#atOnce = atOnce;
  }

  /** The first answer to each; sent all at once. */
  async ask(
    stage: AskingStage,
    length: AssumptionName | undefined,
    { endpoints, sampling, samples = 1, messages }: Asked,
  ): Promise<string[]> {
    const send = (each: readonly Message[]) =>
      this.#client.complete({
        endpoints,
        messages: [...each],
        sampling,
        samples,
        seed: 1,
        signal: this.#signal,
      });
    const [first] = messages;
    if (first === undefined) return [];
    await send(first);
    const began = performance.now();
    const answers = await Promise.all(messages.slice(0, this.#atOnce).map(send));
    const seconds = (performance.now() - began) / 1000;
    const sum = (of: (answer: Completion) => number) =>
      answers.reduce((total, answer) => total + of(answer), 0);
    const completion = sum(({ usage }) => usage.completionTokens);
    const tally = this.#stages.get(stage) ?? { tokens: 0, seconds: 0 };
    this.#stages.set(stage, {
      tokens: tally.tokens + completion + sum(({ usage }) => usage.promptTokens),
      seconds: tally.seconds + seconds,
    });
    this.#requests += answers.length + 1;
    this.#lastLength =
      completion /
      Math.max(
        1,
        sum(({ choices }) => choices.length),
      );
    // An endpoint that doesn't count tokens tells no length.
    if (length !== undefined && this.#lastLength > 0) this.#lengths.set(length, this.#lastLength);
    return answers.map(({ choices }) => choices[0]?.text ?? '');
  }

  /** The answer before was x' with its response, which is as long as any. */
  noteSimilarWithResponse(): void {
    const similar = this.#lastLength - (this.#lengths.get('responseTokens') ?? 0);
    if (similar > 0) this.#lengths.set('similarTokens', similar);
  }

  found(): { readonly requests: number; readonly assumptions: Assumptions; readonly rates: Rates } {
    const rates = [...this.#stages].filter(([, { tokens }]) => tokens > 0);
    return {
      requests: this.#requests,
      assumptions: Object.fromEntries(
        [...this.#lengths].map(([name, value]) => [name, { value, from: 'probe' }]),
      ) as Assumptions,
      rates: Object.fromEntries(
        rates.map(([stage, { tokens, seconds }]) => [
          stage,
          { tokensPerSecond: tokens / seconds, from: 'probe' },
        ]),
      ) as Rates,
    };
  }
}
