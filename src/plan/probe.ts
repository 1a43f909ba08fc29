/** A handful of real requests, to learn how long answers are and how fast they come. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelOfRole, servingOf } from '../activities/models.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import type { Prompts, ResolvedConfiguration } from '../activities/open-run.ts';
import type { ModelRole } from '../activities/types.ts';
import { checkpointArgument, findCheckpoint } from '../config/checkpoint.ts';
import { generationOf } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import { type CompletionRequest, createInferenceClient } from '../inference/client.ts';
import { endpointsOf } from '../inference/endpoint.ts';
import { lastTurnOf, type Asked as Instruction } from '../judge/conversation.ts';
import {
  renderInConversation,
  renderPrompt,
  type Message,
  type PromptTemplate,
} from '../judge/prompt-template.ts';
import { parseSimilarWithResponse } from '../judge/similar-with-response.ts';
import { wavesOf } from '../judge/waves.ts';
import type { Preferred } from '../preferences/layout.ts';
import { createServerSupervisor } from '../serving/supervisor.ts';
import { Asking } from './asking.ts';
import type { Assumptions } from './assumptions.ts';
import type { PlanSource } from './plan-inputs.ts';
import type { SampledBenchmark } from './prompt-sizes.ts';
import type { Rates } from './rates.ts';

export interface ProbeInput {
  readonly resolved: ResolvedConfiguration;
  readonly source: PlanSource;
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
type Serve = (role: ModelRole) => Promise<Endpoints>;
type Endpoints = CompletionRequest['endpoints'];

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
    input.source.sample.length,
  );
  const client = createInferenceClient({
    inFlight: { minimum: atOnce, maximum: atOnce },
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
    const { apiKeyVariable } = driver.kind === 'endpoint' ? driver : {};
    return endpointsOf({ baseUrl, apiKeyVariable }, model);
  };
}

async function askAll(asking: Asking, input: ProbeInput, serve: Serve): Promise<void> {
  const { resolved, source } = input;
  const { configuration, prompts } = resolved;
  const pairs =
    source.kind === 'pairs'
      ? source.sample
      : await askForPairs(asking, resolved, source.sample, await serve('generator'));
  const { strategy, samples, sampling } = configuration.judging;
  await asking.ask('judgePairs', 'judgmentTokens', {
    endpoints: await serve('firstJudge'),
    sampling,
    samples: wavesOf(strategy, samples)[0]?.end ?? 1,
    messages: pairs.map(({ instruction, chosen, rejected }) =>
      renderPrompt(prompts.judge, { instruction, responseA: chosen, responseB: rejected }),
    ),
  });
  await asking.ask('evaluateJudge', 'verdictTokens', {
    endpoints: await serve('seed'),
    sampling: configuration.evaluation.sampling,
    samples: configuration.evaluation.votes,
    messages: benchmarkPrompts(input.benchmarks, prompts),
  });
}

/** All that the run asks about instructions before there are pairs, and the pairs that the answers make. */
async function askForPairs(
  asking: Asking,
  { configuration, prompts }: ResolvedConfiguration,
  sample: readonly Instruction[],
  generator: Endpoints,
): Promise<readonly Preferred[]> {
  const { instructions, pairs } = generationOf(configuration);
  const { categories, complexity } = instructions;
  const { responseSampling, similarSampling, construction, calls } = pairs;
  const about = (template: PromptTemplate, names = '') =>
    sample.map(({ instruction }) => renderPrompt(template, { instruction, categories: names }));
  const inConversation = (template: PromptTemplate, responses: readonly string[] = []) =>
    sample.map((each, index) => {
      const { instruction, earlier } = lastTurnOf(each);
      return renderInConversation(template, { instruction, response: responses[index] ?? '' }, earlier);
    });

  if (categories !== null && prompts.category !== null) {
    const messages = about(prompts.category, categories.names.join(', '));
    const asked = { endpoints: generator, sampling: categories.sampling, messages };
    await asking.ask('categorizeInstructions', 'categoryTokens', asked);
  }
  if (complexity !== null && prompts.complexity !== null) {
    const asked = {
      endpoints: generator,
      sampling: complexity.sampling,
      messages: about(prompts.complexity),
    };
    await asking.ask('categorizeInstructions', 'complexityTokens', asked);
  }
  const better = await asking.ask('generatePairs', 'responseTokens', {
    endpoints: generator,
    sampling: responseSampling,
    messages: prompts.respond === null ? [] : inConversation(prompts.respond),
  });
  let worse = better.toReversed();
  if (construction === 'worse-response' && prompts.worse !== null) {
    const messages = inConversation(prompts.worse, better);
    worse = await asking.ask('generatePairs', undefined, {
      endpoints: generator,
      sampling: responseSampling,
      messages,
    });
  } else if (prompts.similar !== null) {
    const messages = inConversation(prompts.similar, better);
    const asked = { endpoints: generator, sampling: similarSampling, messages };
    const similar = await asking.ask('generatePairs', calls === 'two' ? 'similarTokens' : undefined, asked);
    if (calls === 'one') {
      asking.noteSimilarWithResponse();
      worse = similar.map((text) => parseSimilarWithResponse(text)?.response ?? text);
    }
  }
  return sample.map(({ instruction }, index) => ({
    instruction,
    chosen: better[index] ?? '',
    rejected: worse[index] ?? '',
  }));
}

function benchmarkPrompts(benchmarks: readonly SampledBenchmark[], prompts: Prompts): Message[][] {
  return benchmarks.flatMap(({ name, requests }) =>
    requests.flatMap(({ prompt, values }) => {
      const template = prompts.evaluation[name]?.[prompt];
      return template === undefined ? [] : [renderPrompt(template, values)];
    }),
  );
}
