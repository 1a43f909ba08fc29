/**
 * Finds a server that says it is healthy, although its engine answers no request any more. While nobody gets an answer, a short
 * request decides; a slow server is told from a hanging one by what else it does meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { groupActivity } from '../../platform/group-activity.ts';
import { fetchText } from '../../platform/bounded-text.ts';
import { withTimeout } from '../inference/timeout.ts';
import { apiKeyOf, type Environment } from '../inference/endpoint.ts';
import { EndpointUnavailable } from '../inference/errors.ts';
import { HANG_TIMEOUT_SECONDS } from './drivers/server-spec.ts';
import { serverKey } from './drivers/server-key.ts';
import { baseUrlOf, probeModel } from './server-process.ts';
import type { ServerEntry } from './server-registry.ts';

/** The share of a server's hang timeout for which nobody has an answer before the short request is sent; it has the rest. */
const SILENCE_SHARE = 0.6;
/** From this share of a core on, the processes of a server count as working. */
const WORKING_CPU_SHARE = 0.1;
/** For so many hang timeouts a server without metrics may work without an answer. */
const MAX_WORKING_TIMEOUTS = 8;
const METRICS_TIMEOUT_SECONDS = 5;
/** Between two requests, after an error of the server. */
const MAX_PAUSE_SECONDS = 10;
const OVERLOAD_STATUSES = [408, 429, 503];

/** Counters of vLLM, SGLang and llama.cpp that grow with each step of the engine. */
const PROGRESS_METRIC =
  /^(?:vllm|sglang|llamacpp):(?:(?:prompt_tokens|generation_tokens|tokens_predicted|n_decode)_total|iteration_tokens_total\w*|kv_cache_usage_perc)(?:\{[^}\n]*\})? +\S+/gm;

export interface HangDetectorOptions {
  /** Contains the server's key, if it is in a variable. */
  readonly environment: Environment;
  /** When a request of this process was last answered by a server, in milliseconds of `performance.now()`. */
  readonly answeredAt: (baseUrl: string) => number | undefined;
}

/** What a server has done up to a moment. */
interface Signs {
  readonly at: number;
  /** Undefined if it has no metrics that tell. */
  readonly metrics: string | undefined;
  readonly cpuSeconds: number;
}

/** Watches one process of a server. */
export class HangDetector {
  readonly #entry: ServerEntry;
  readonly #options: HangDetectorOptions;
  #aliveAt = performance.now();
  /** Since when it works without an answer. */
  #workingSince: number | undefined;
  #isAsking = false;
  #fault: string | undefined;

  constructor(entry: ServerEntry, options: HangDetectorOptions) {
    this.#entry = entry;
    this.#options = options;
  }

  /** Returns at once, with the fault if one was found; is to be called again and again while the server is healthy. */
  look(): string | undefined {
    const answeredAt = this.#options.answeredAt(baseUrlOf(this.#entry)) ?? 0;
    if (answeredAt > this.#aliveAt) this.#isAlive(answeredAt);
    const silence = (performance.now() - this.#aliveAt) / 1000;
    if (!this.#isAsking && this.#fault === undefined && silence > SILENCE_SHARE * this.#timeoutSeconds) {
      this.#isAsking = true;
      // An error of the check itself says nothing about the server.
      void this.#ask()
        .catch(() => undefined)
        .finally(() => (this.#isAsking = false));
    }
    return this.#fault;
  }

  get #timeoutSeconds(): number {
    return this.#entry.hangTimeoutSeconds ?? HANG_TIMEOUT_SECONDS;
  }

  #isAlive(at: number): void {
    this.#aliveAt = at;
    this.#workingSince = undefined;
  }

  async #ask(): Promise<void> {
    const silentSince = this.#aliveAt;
    const timeoutSeconds = (1 - SILENCE_SHARE) * this.#timeoutSeconds;
    const before = await this.#signs();
    const isAnswered = await this.#isAnswered(timeoutSeconds);
    if (isAnswered) return this.#isAlive(performance.now());
    const after = await this.#signs();
    if (this.#aliveAt > silentSince) return;
    const seconds = Math.round((after.at - silentSince) / 1000);
    const unanswered = `it hangs: its health path answers, but no request for ${seconds} s, and not a request for one token within ${Math.round(timeoutSeconds)} s`;
    if (before.metrics !== undefined && after.metrics !== undefined) {
      if (before.metrics === after.metrics) this.#fault = `${unanswered}; its metrics stand still`;
      else this.#isAlive(after.at);
      return;
    }
    if (!this.#works(before, after)) {
      this.#fault = `${unanswered}; its processes do nothing`;
      return;
    }
    this.#workingSince ??= silentSince;
    if (after.at - this.#workingSince > 1000 * MAX_WORKING_TIMEOUTS * this.#timeoutSeconds)
      this.#fault = unanswered;
    else this.#aliveAt = after.at;
  }

  /** Asks until there is an answer; a refusal is one, and so is an overload, but not an error of the server. */
  async #isAnswered(withinSeconds: number): Promise<boolean> {
    const { environment } = this.#options;
    const deadline = performance.now() + 1000 * withinSeconds;
    for (;;) {
      const timeoutSeconds = Math.max(0.1, (deadline - performance.now()) / 1000);
      const error = await probeModel(this.#entry, this.#entry.model, { environment, timeoutSeconds });
      if (!(error instanceof EndpointUnavailable) || OVERLOAD_STATUSES.includes(error.status ?? 0))
        return true;
      const pause = Math.min(MAX_PAUSE_SECONDS, withinSeconds / 4);
      if (performance.now() + 1000 * pause >= deadline) return false;
      await sleep(1000 * pause, undefined, { ref: false });
    }
  }

  #works(before: Signs, after: Signs): boolean {
    if (this.#entry.isRelay === true) return true;
    if (groupActivity(this.#entry.process.pid).isStopped) return false;
    const seconds = (after.at - before.at) / 1000;
    return after.cpuSeconds - before.cpuSeconds > WORKING_CPU_SHARE * seconds;
  }

  async #signs(): Promise<Signs> {
    const metrics = await this.#progressMetrics();
    const { cpuSeconds } = groupActivity(this.#entry.process.pid);
    return { at: performance.now(), metrics, cpuSeconds };
  }

  async #progressMetrics(): Promise<string | undefined> {
    try {
      const baseUrl = baseUrlOf(this.#entry);
      const { environment } = this.#options;
      const key = apiKeyOf({ baseUrl, model: '', ...serverKey(this.#entry, environment) }, environment);
      const headers = { authorization: `Bearer ${key}` };
      const page = await withTimeout(METRICS_TIMEOUT_SECONDS, undefined, async (signal) => {
        const { ok, text } = await fetchText(new URL('/metrics', baseUrl), { signal, headers });
        return ok ? text : '';
      });
      const lines = page.match(PROGRESS_METRIC);
      return lines === null ? undefined : lines.join('\n');
    } catch {
      return undefined;
    }
  }
}
