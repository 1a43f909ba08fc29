/** A handful of real requests, to learn how long answers are and how fast they come. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelOfRole, servingOf } from '../activities/models.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import type { Prompts, ResolvedConfiguration } from '../activities/open-run.ts';
import type { ModelRole } from '../activities/types.ts';
import { checkpointArgument, findCheckpoint } from '../config/checkpoint.ts';
import type { Configuration, Sampling } from '../config/schema.ts';
import { createInferenceClient, type Completion, type InferenceClient } from '../inference/client.ts';
import type { Endpoint } from '../inference/endpoint.ts';
import { renderPrompt, type Message, type PromptTemplate } from '../judge/prompt-template.ts';
import { parseSimilarWithResponse } from '../judge/similar-with-response.ts';
import { wavesOf } from '../judge/waves.ts';
import { createServerSupervisor } from '../serving/supervisor.ts';
import type { AssumptionName, Assumptions } from './assumptions.ts';
import type { SampledBenchmark } from './prompt-sizes.ts';
import type { AskingStage, Rates } from './rates.ts';

export interface ProbeInput {
  readonly resolved: ResolvedConfiguration;
  readonly instructions: readonly string[];
  readonly benchmarks: readonly SampledBenchmark[];
  /** All of it, the start of model servers too. */
  readonly seconds: number;
  readonly cacheFolder: string;
  /** Ends it before, with its servers. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface Probed {
  readonly requests: number;
  /** Requests that were in flight at once. */
  readonly atOnce: number;
  readonly seconds: number;
  readonly assumptions: Assumptions;
  readonly rates: Rates;
  /** Why something could not be measured. */
  readonly problem?: string | undefined;
}

/** Requests of each kind, all at once, after one by itself: the first one of its kind is slow. */
const AT_ONCE = 64;

/** Serves a model for as long as the probe asks it. */
type Serve = (role: ModelRole) => Promise<Endpoint>;

/**
 * Asks each model of the run what the run will ask it. Endpoints of others are asked as they are; a model that the run
 * serves itself is served by the same command for a moment, then stopped.
 */
export async function probe(deps: LocalDependencies, input: ProbeInput): Promise<Probed> {
  const { seconds, cacheFolder, say } = input;
  const stateFolder = await mkdtemp(join(tmpdir(), 'probe-'));
  const servers = createServerSupervisor({
    ...deps,
    stateFolder,
    storeRoot: deps.store.root,
    cacheFolder,
    log: (_level, line) => say(line),
  });
  const { inference } = input.resolved.configuration;
  const atOnce = Math.min(
    AT_ONCE,
    inference.requestsPerShard * inference.shardsAtOnce,
    input.instructions.length,
  );
  const client = createInferenceClient({
    maximumInFlight: atOnce,
    requestTimeoutSeconds: seconds,
    retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
    environment: deps.environment,
  });
  const began = performance.now();
  const deadline = AbortSignal.any([AbortSignal.timeout(seconds * 1000), input.signal]);
  const asking = new Asking(client, deadline, atOnce);
  const giveUp = () => void servers.stopAll();
  deadline.addEventListener('abort', giveUp);
  let problem: string | undefined;
  try {
    const serve = serveWith(deps, input.resolved.configuration, servers, say);
    await askAll(asking, input, serve);
  } catch (error) {
    problem = deadline.aborted
      ? `the ${seconds} s of the probe were over (--probe-seconds gives it more)`
      : error instanceof Error
        ? error.message
        : String(error);
  } finally {
    deadline.removeEventListener('abort', giveUp);
    await servers.stopAll();
    await client.close();
    await rm(stateFolder, { recursive: true, force: true });
  }
  input.signal.throwIfAborted();
  const { requests, assumptions, rates } = asking.found();
  return { requests, atOnce, seconds: (performance.now() - began) / 1000, assumptions, rates, problem };
}

function serveWith(
  deps: LocalDependencies,
  configuration: Configuration,
  servers: ReturnType<typeof createServerSupervisor>,
  say: (line: string) => void,
): Serve {
  const owner = 'probe';
  let up: string | undefined;
  return async (role) => {
    const driver = servingOf(configuration, role);
    const { checkpoint } = modelOfRole(configuration, role);
    const place = findCheckpoint(deps.store, deps.files, checkpoint);
    // Two models need not fit beside each other.
    if (up !== undefined && up !== checkpoint) await servers.stopServing(owner);
    if (driver.kind === 'command' && up !== checkpoint) say(`starting a server for ${checkpoint}`);
    up = checkpoint;
    const { runName } = configuration;
    const argument = checkpointArgument(place);
    const { baseUrl, model } = await servers.ensureServing({
      driver,
      checkpoint: argument,
      runName,
      iteration: 0,
      owner,
    });
    return {
      baseUrl,
      model,
      ...(driver.kind === 'endpoint' ? { apiKeyVariable: driver.apiKeyVariable } : {}),
    };
  };
}

async function askAll(asking: Asking, input: ProbeInput, serve: Serve): Promise<void> {
  const { configuration, prompts } = input.resolved;
  const { categories, complexity } = configuration.instructions;
  const { responseSampling, similarSampling, construction, calls } = configuration.pairs;
  const each = (template: PromptTemplate, values: (index: number) => Readonly<Record<string, string>>) =>
    input.instructions.map((instruction, index) => renderPrompt(template, { instruction, ...values(index) }));
  const none = () => ({});

  const generator = await serve('generator');
  if (categories !== null && prompts.category !== null) {
    const names = () => ({ categories: categories.names.join(', ') });
    const asked = {
      endpoint: generator,
      sampling: categories.sampling,
      messages: each(prompts.category, names),
    };
    await asking.ask('categorizeInstructions', 'categoryTokens', asked);
  }
  if (complexity !== null && prompts.complexity !== null) {
    const asked = {
      endpoint: generator,
      sampling: complexity.sampling,
      messages: each(prompts.complexity, none),
    };
    await asking.ask('categorizeInstructions', 'complexityTokens', asked);
  }
  const better = await asking.ask('generatePairs', 'responseTokens', {
    endpoint: generator,
    sampling: responseSampling,
    messages: each(prompts.respond, none),
  });
  const shown = (index: number) => ({ response: better[index] ?? '' });
  let worse = better.toReversed();
  if (construction === 'worse-response' && prompts.worse !== null) {
    const asked = { endpoint: generator, sampling: responseSampling, messages: each(prompts.worse, shown) };
    worse = await asking.ask('generatePairs', undefined, asked);
  } else if (prompts.similar !== null) {
    const asked = { endpoint: generator, sampling: similarSampling, messages: each(prompts.similar, shown) };
    const similar = await asking.ask('generatePairs', calls === 'two' ? 'similarTokens' : undefined, asked);
    if (calls === 'one') {
      asking.noteSimilarWithResponse();
      worse = similar.map((text) => parseSimilarWithResponse(text)?.response ?? text);
    }
  }
  const { strategy, samples, sampling } = configuration.judging;
  await asking.ask('judgePairs', 'judgmentTokens', {
    endpoint: await serve('firstJudge'),
    sampling,
    samples: wavesOf(strategy, samples)[0]?.end ?? 1,
    messages: each(prompts.judge, (index) => ({
      responseA: better[index] ?? '',
      responseB: worse[index] ?? '',
    })),
  });
  await asking.ask('evaluateJudge', 'verdictTokens', {
    endpoint: await serve('seed'),
    sampling: configuration.evaluation.sampling,
    samples: configuration.evaluation.votes,
    messages: benchmarkPrompts(input.benchmarks, prompts),
  });
}

function benchmarkPrompts(benchmarks: readonly SampledBenchmark[], prompts: Prompts): Message[][] {
  return benchmarks.flatMap(({ name, requests }) =>
    requests.flatMap(({ prompt, values }) => {
      const template = prompts.evaluation[name]?.[prompt];
      return template === undefined ? [] : [renderPrompt(template, values)];
    }),
  );
}

interface Asked {
  readonly endpoint: Endpoint;
  readonly sampling: Sampling;
  readonly samples?: number;
  readonly messages: readonly (readonly Message[])[];
}

interface Tally {
  tokens: number;
  seconds: number;
}

/** Asks, and adds up what it took. */
class Asking {
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
    { endpoint, sampling, samples = 1, messages }: Asked,
  ): Promise<string[]> {
    const send = (each: readonly Message[]) =>
      this.#client.complete({
        endpoint,
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

  found(): Pick<Probed, 'requests' | 'assumptions' | 'rates'> {
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
