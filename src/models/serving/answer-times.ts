import type { RequestObserver } from '../inference/request-observer.ts';

/** Remembers when each endpoint last answered a request of this process, for the monitors of its servers. */
export class AnswerTimes implements RequestObserver {
  readonly #times = new Map<string, number>();

  begin({ endpoint: { baseUrl } }: Parameters<RequestObserver['begin']>[0]) {
    let last = baseUrl;
    return {
      sent: ({ baseUrl: sentTo }: { readonly baseUrl: string }) => void (last = sentTo),
      retried: () => undefined,
      answered: () => void this.#times.set(last, performance.now()),
      failed: () => undefined,
    };
  }

  /** Milliseconds of `performance.now()`; undefined before the first answer. */
  at(baseUrl: string): number | undefined {
    return this.#times.get(baseUrl);
  }
}
